//! A package index of this machine with tiny packages, which can fall silent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Makes wheels (and one broken source archive): name, version, what it needs.
const MAKE: &str = r#"
import io, sys, tarfile, zipfile
folder = sys.argv[1]
for name, version, needs in [('tiny', '1.0', ''), ('tiny', '2.0', ''), ('picky', '1.0', 'tiny<2'), ('other', '1.0', '')]:
    with zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w') as wheel:
        info = f'{name}-{version}.dist-info'
        wheel.writestr(f'{name}/__init__.py', f'version = "{version}"\n')
        metadata = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n' + (f'Requires-Dist: {needs}\n' if needs else '')
        wheel.writestr(f'{info}/METADATA', metadata)
        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(f'{info}/RECORD', '')
with zipfile.ZipFile(f'{folder}/native-1.0-cp27-cp27m-linux_x86_64.whl', 'w') as wheel:
    wheel.writestr('native-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\nName: native\nVersion: 1.0\n')
with tarfile.open(f'{folder}/source-1.0.tar.gz', 'w:gz') as archive:
    for name, text in [
        ('PKG-INFO', 'Metadata-Version: 1.0\nName: source\nVersion: 1.0\n'),
        ('pyproject.toml', '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'),
        ('backend.py', 'raise ModuleNotFoundError("No module named \'fortran77\'")\n'),
    ]:
        member = tarfile.TarInfo('source-1.0/' + name)
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
"#;

/// The index; stops answering when dropped, as its port is closed.
pub struct Index {
    port: u16,
    silent: Arc<AtomicBool>,
    /// A caller whom the silent index lets wait.
    waiting: Mutex<Receiver<TcpStream>>,
}

impl Index {
    pub fn start(python: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(python).args(["-c", MAKE]).arg(folder.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            files.insert(entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let (sender, waiting) = channel();
        let (files, silence) = (Arc::new(files), Arc::clone(&silent));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (files, silence, sender) = (Arc::clone(&files), Arc::clone(&silence), sender.clone());
                std::thread::spawn(move || answer(stream, &files, &silence, &sender));
            }
        });
        Self { port, silent, waiting: Mutex::new(waiting) }
    }

    /// The option that makes an installer use it.
    pub fn option(&self) -> String {
        format!("--index-url http://me:secret@127.0.0.1:{}/simple", self.port)
    }

    /// From now on callers get no answer.
    pub fn fall_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Waits for a caller of the silent index.
    pub fn caller(&self) -> TcpStream {
        self.waiting.lock().unwrap().recv_timeout(std::time::Duration::from_secs(120)).expect("somebody calls")
    }
}

/// Returns when the caller has gone away, in whatever way.
pub fn gone(mut caller: TcpStream) {
    caller.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut rest = Vec::new();
    match caller.read_to_end(&mut rest) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the caller lives on"),
        _ => {}
    }
}

fn answer(stream: TcpStream, files: &BTreeMap<String, Vec<u8>>, silent: &AtomicBool, waiting: &Sender<TcpStream>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    if silent.load(Ordering::SeqCst) {
        let _ = waiting.send(stream);
        return;
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = match path.trim_end_matches('/').rsplit('/').next() {
        Some(file) if files.contains_key(file) => ("200 OK", "application/octet-stream", files[file].clone()),
        Some(name) => {
            let named = files.keys().filter(|file| file.starts_with(&format!("{name}-")));
            let links: String = named.map(|file| format!("<a href=\"/files/{file}\">{file}</a>\n")).collect();
            let status = if links.is_empty() { "404 Not Found" } else { "200 OK" };
            (status, "text/html", format!("<!DOCTYPE html><html><body>{links}</body></html>").into_bytes())
        }
        None => ("404 Not Found", "text/html", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let body = if first.starts_with("HEAD") { Vec::new() } else { body };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
