//! The addresses of the workspace: chosen so that what clients were told stays true over a restart.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::api::ControlPlane;
use super::app::{App, DEFAULT_LISTEN, Options};
use super::gateway::{Bound, Gateway, Limits, Listener, Role, bind, listen};
use super::start::StartError;
use super::store::{Change, Store, StoreError};
use super::tls::{self, Tls};

/// Taken, but not yet answering.
pub(super) struct Sockets {
    pub workspace: Bound,
    /// The identity route, and scoring over plain http when switched on.
    pub plain: Bound,
    pub scoring: Option<Bound>,
}

impl Sockets {
    /// Takes all addresses.
    ///
    /// # Errors
    /// An address was asked for explicitly and cannot be had, or plain http was asked for beyond this machine.
    pub fn bind(options: &Options, store: &Store) -> Result<Self, StartError> {
        let workspace = match options.listen {
            Some(address) => take(address, "Stop what listens there, or choose another --listen address.")?,
            None => prefer(store, "port/workspace", Some(DEFAULT_LISTEN))?,
        };
        let plain = match options.plain_http {
            Some(address) if !address.ip().is_loopback() => {
                return Err(StartError::Listen {
                    address,
                    cause: "keys and tokens would cross the network in the clear".into(),
                    next: "Give a loopback address such as 127.0.0.1:8080 for plain http.",
                });
            }
            Some(address) => take(address, "Stop what listens there, or choose another --plain-http address.")?,
            None => prefer(store, "port/identity", None)?,
        };
        let scoring = options
            .scoring_listen
            .map(|address| take(address, "Stop what listens there, or choose another scoring_listen address."))
            .transpose()?;
        Ok(Self { workspace, plain, scoring })
    }

    /// Addresses beyond loopback, as names in the certificate.
    pub fn names(&self) -> Vec<String> {
        let bound = [Some(&self.workspace), self.scoring.as_ref()];
        let addresses = bound.into_iter().flatten().map(|b| b.address().ip());
        addresses.filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).map(|ip| ip.to_string()).collect()
    }

    /// Begins to answer.
    pub fn listen(self, app: &Arc<App>, tls: &Tls) -> Result<Gateway, StartError> {
        let options = &app.options;
        let hosts = self.names();
        let address = self.workspace.address();
        let mut listeners = vec![
            Listener { bound: self.workspace, role: Role::Workspace, tls: Some(Arc::clone(&tls.server)) },
            Listener { bound: self.plain, role: Role::Plain { scoring: options.plain_http.is_some() }, tls: None },
        ];
        if let Some(bound) = self.scoring {
            let own = match &options.scoring_certificate {
                Some((certificate, key)) => tls::from_files(certificate, key)?,
                None => Arc::clone(&tls.server),
            };
            listeners.push(Listener { bound, role: Role::Scoring, tls: Some(own) });
        }
        let limits = Limits { body_bytes: options.max_body_bytes, hosts, ..Limits::default() };
        let control = tokio::runtime::Handle::current();
        listen(listeners, Arc::clone(&app.router), ControlPlane::new(Arc::clone(app)), control, limits).map_err(|e| {
            StartError::Listen {
                address,
                cause: e.to_string(),
                next: "Too many threads or files may be open; try again.",
            }
        })
    }
}

/// The address as a client on this machine writes it: a wildcard is reached over loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn take(address: SocketAddr, next: &'static str) -> Result<Bound, StartError> {
    bind(address).map_err(|e| {
        let cause = match e.kind() {
            ErrorKind::AddrInUse => "another program listens there".to_owned(),
            ErrorKind::PermissionDenied => "this user may not use that port".to_owned(),
            ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
            _ => e.to_string(),
        };
        StartError::Listen { address, cause, next }
    })
}

/// The first choice, else the port of the last time (what clients were told then stays true), else any free one.
fn prefer(store: &Store, remembered: &str, first: Option<SocketAddr>) -> Result<Bound, StartError> {
    let text = store.secret(remembered)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let last: Option<u16> = text.and_then(|text| text.parse().ok());
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let choices = first.into_iter().chain(last.map(loopback));
    let bound = match choices.filter_map(|address| bind(address).ok()).next() {
        Some(bound) => bound,
        None => take(loopback(0), "Check this machine's loopback interface.")?,
    };
    let port = bound.address().port();
    if last != Some(port) {
        remember(store, remembered, port)?;
    }
    Ok(bound)
}

fn remember(store: &Store, name: &str, port: u16) -> Result<(), StoreError> {
    store.commit(Change::new().secret(name, port.to_string())).map(drop)
}
