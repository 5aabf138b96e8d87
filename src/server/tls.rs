//! The workspace's own certificates: a certificate authority made once, leaves issued as names are asked for.
//!
//! Clients accept no wildcard directly under a top-level name, so `*.localhost` would not do for endpoints reached by
//! host name: each `{endpoint}.localhost` gets a leaf of its own when it is first asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::start::StartError;
use super::store::files::write_atomic;

/// Days a leaf is valid.
const LEAF_DAYS: i64 = 90;
/// A leaf is replaced after this time, long before it expires.
const LEAF_AGE: Duration = Duration::from_secs(24 * 3600);
/// Leaves kept at a time; a caller that invents names only makes the others be issued again.
const LEAVES: usize = 1_000;
const CA_YEARS: i16 = 20;

/// What the listeners and `mlconsole env` need.
pub(super) struct Tls {
    pub server: Arc<ServerConfig>,
    /// PEM file: the own CA first, then the system's roots, so that a program that trusts it still reaches the world.
    pub ca_bundle: PathBuf,
}

/// Reads or makes the CA in `tls/`, makes ready to issue leaves for loopback (and `extra` addresses), writes
/// the bundle.
pub(super) fn prepare(dir: &Path, extra: &[String]) -> Result<Tls, StartError> {
    let dir = dir.join("tls");
    std::fs::create_dir_all(&dir).map_err(|e| StartError::folder(&dir, &e))?;
    let key = authority_key(&dir)?;
    let params = authority_params(&key)?;
    let authority_pem = authority_certificate(&dir, &params, &key)?;
    let ca_bundle = dir.join("ca-bundle.pem");
    write_atomic(&ca_bundle, bundle(&authority_pem).as_bytes(), 0o644)?;

    let leaf_key = KeyPair::generate().map_err(certificate)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let signing = rustls::crypto::ring::sign::any_ecdsa_type(&private).map_err(rustls_error)?;
    let names = ["localhost", "127.0.0.1", "::1"].into_iter().map(String::from).chain(extra.iter().cloned()).collect();
    let leaves = Leaves { issuer: Issuer::new(params, key), key: leaf_key, signing, names, issued: Mutex::default() };
    // Issued here so that what is wrong is said at the start, not to the first caller.
    leaves.leaf("").map_err(certificate)?;
    Ok(Tls { server: finish(server_builder()?.with_cert_resolver(Arc::new(leaves))), ca_bundle })
}

/// Issues leaves, one key for all of them.
struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    /// In every leaf.
    names: Vec<String>,
    /// By the additional name; "" for the leaf without one.
    issued: Mutex<HashMap<String, (Instant, Arc<CertifiedKey>)>>,
}

impl Leaves {
    fn leaf(&self, additional: &str) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, leaf)) = issued.get(additional)
            && at.elapsed() < LEAF_AGE
        {
            return Ok(Arc::clone(leaf));
        }
        let mut names = self.names.clone();
        names.extend((!additional.is_empty()).then(|| additional.to_owned()));
        let certificate = leaf_params(names)?.signed_by(&self.key, &self.issuer)?;
        let leaf = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.signing)));
        if issued.len() >= LEAVES {
            issued.clear();
        }
        issued.insert(additional.to_owned(), (Instant::now(), Arc::clone(&leaf)));
        Ok(leaf)
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Leaves({:?})", self.names)
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let is_label =
            |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let additional =
            asked.strip_suffix(".localhost").filter(|label| is_label(label)).map_or("", |_| asked.as_str());
        self.leaf(additional)
            .inspect_err(|error| tracing::error!(%error, name = additional, "no certificate could be issued"))
            .ok()
    }
}

/// A listener's configuration from the user's own certificate.
pub(super) fn from_files(certificate_file: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, StartError> {
    let wrong = |path: &Path, cause: String| {
        StartError::Certificate(format!(
            "\"{}\" cannot be used for scoring_listen ({cause}). Give a PEM file.",
            path.display()
        ))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect)
        .map_err(|e| wrong(certificate_file, e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| wrong(key_file, e.to_string()))?;
    server_config(chain, key)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, StartError> {
    Ok(finish(server_builder()?.with_single_cert(chain, key).map_err(rustls_error)?))
}

fn server_builder() -> Result<rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>, StartError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions().map_err(rustls_error)?.with_no_client_auth())
}

fn finish(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn rustls_error(error: rustls::Error) -> StartError {
    StartError::Certificate(format!("the certificate cannot be used: {error}."))
}

fn authority_key(dir: &Path) -> Result<KeyPair, StartError> {
    let path = dir.join("ca-key.pem");
    match std::fs::read_to_string(&path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|e| {
            StartError::Certificate(format!(
                "the key of the workspace's own CA, \"{}\", cannot be read ({e}). Remove it and ca.pem beside it; new ones are made at the next start, and clients need `mlconsole env` again.",
                path.display()
            ))
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(certificate)?;
            // A certificate of another key must not outlive it.
            let _ = std::fs::remove_file(dir.join("ca.pem"));
            write_atomic(&path, key.serialize_pem().as_bytes(), 0o600)?;
            Ok(key)
        }
        Err(e) => Err(StartError::folder(&path, &e)),
    }
}

fn authority_certificate(dir: &Path, params: &CertificateParams, key: &KeyPair) -> Result<String, StartError> {
    let path = dir.join("ca.pem");
    if let Ok(pem) = std::fs::read_to_string(&path)
        && CertificateDer::from_pem_slice(pem.as_bytes()).is_ok()
    {
        return Ok(pem);
    }
    let pem = params.self_signed(key).map_err(certificate)?.pem();
    write_atomic(&path, pem.as_bytes(), 0o644)?;
    Ok(pem)
}

/// Follows from the key alone, so that leaves issued after a restart name the same issuer.
fn authority_params(key: &KeyPair) -> Result<CertificateParams, StartError> {
    let hash = ring::digest::digest(&ring::digest::SHA256, key.public_key_raw());
    let short = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut params = CertificateParams::new(Vec::new()).map_err(certificate)?;
    params.distinguished_name = name(&format!("mlconsole local workspace CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    params.not_before = date_time_ymd(i32::from(today.year()) - 1, 1, 1);
    params.not_after = date_time_ymd(i32::from(today.year() + CA_YEARS), 1, 1);
    Ok(params)
}

fn leaf_params(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = name("mlconsole local workspace");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = jiff::Timestamp::now().as_second();
    let day = |offset: i64| {
        let time = jiff::Timestamp::from_second(now + offset * 86_400).unwrap_or(jiff::Timestamp::MAX);
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    // A clock that is a little behind must not make a new certificate "not yet valid".
    params.not_before = day(-2);
    params.not_after = day(LEAF_DAYS);
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name.push(DnType::OrganizationName, "mlconsole");
    name
}

/// The own CA and the roots this machine trusts; without any, the own CA alone.
fn bundle(authority_pem: &str) -> String {
    let mut text = String::from(authority_pem);
    for root in rustls_native_certs::load_native_certs().certs {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = base64::engine::general_purpose::STANDARD.encode(root);
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

fn certificate(error: rcgen::Error) -> StartError {
    StartError::Certificate(format!("a certificate could not be made: {error}."))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;

    /// Whether a client that trusts the bundle accepts the server under this name.
    fn accepted(bundle: &Path, server: &Arc<ServerConfig>, name: &str) -> bool {
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(bundle).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        roots.add(certificates[0].clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut wire.as_slice()).unwrap();
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        client.writer().flush().is_ok()
    }

    #[test]
    fn loopback_is_trusted_under_all_its_names_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let tls = prepare(dir.path(), &["192.0.2.7".to_owned()]).unwrap();
        for name in ["127.0.0.1", "::1", "localhost", "restaurants.localhost", "192.0.2.7"] {
            assert!(accepted(&tls.ca_bundle, &tls.server, name), "{name}");
        }
        for name in ["127.0.0.2", "example.com", "a.b.localhost"] {
            assert!(!accepted(&tls.ca_bundle, &tls.server, name), "{name}");
        }
    }

    #[test]
    fn what_clients_trusted_stays_trusted_after_a_restart() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let first = prepare(dir.path(), &[]).unwrap();
        let kept = dir.path().join("kept.pem");
        std::fs::copy(&first.ca_bundle, &kept).unwrap();
        let again = prepare(dir.path(), &[]).unwrap();
        assert!(accepted(&kept, &again.server, "127.0.0.1"));
        let mode = std::fs::metadata(dir.path().join("tls/ca-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn another_workspaces_certificate_is_not_trusted() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (tls, stranger) = (prepare(dir.path(), &[]).unwrap(), prepare(other.path(), &[]).unwrap());
        assert!(!accepted(&tls.ca_bundle, &stranger.server, "127.0.0.1"));
    }

    #[test]
    fn a_damaged_key_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tls")).unwrap();
        std::fs::write(dir.path().join("tls/ca-key.pem"), "junk").unwrap();
        let error = prepare(dir.path(), &[]).err().unwrap().to_string();
        assert!(error.contains("ca-key.pem") && error.contains("Remove it"), "{error}");
    }
}
