//! TLS on the real binary: with a certificate that is made here, asked by who trusts it and by who does not.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::binary::{Serving, dorado, run};

const HSTS: &str = "strict-transport-security";

/// A folder with a certificate for 127.0.0.1, its key, and a configuration that names both.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-keyout", "tls.key", "-out", "tls.crt", "-days", "2", "-subj", "/CN=a test"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .status()
            .expect("openssl runs (Debian: apt-get install openssl)");
        assert!(made.success());
        let folder = Self(folder);
        folder.configure(&["tls.crt", "tls.key"]);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("lake")
    }

    /// `[server]` with these files for certificate and key, as far as there are so many.
    fn configure(&self, files: &[&str]) {
        let lines = ["tls_cert", "tls_key"].iter().zip(files);
        let lines: Vec<String> =
            lines.map(|(key, file)| format!("{key} = {:?}\n", self.path(file).to_str().unwrap())).collect();
        std::fs::write(self.path("dorado.toml"), format!("[server]\n{}", lines.concat())).unwrap();
    }

    fn serve(&self) -> Serving {
        let config = self.path("dorado.toml");
        let server = Serving::start_with(&self.data(), &[("DORADO_CONFIG", config.to_str().unwrap())]);
        server.trusting(&std::fs::read(self.path("tls.crt")).unwrap())
    }

    /// What a server that does not start says.
    fn refused(&self) -> String {
        let (config, data) = (self.path("dorado.toml"), self.data());
        let (config, data) = (config.to_str().unwrap(), data.to_str().unwrap());
        let ran = run(["serve", "--config", config, "--listen", "127.0.0.1:0", "--data", data]);
        assert!(!ran.succeeded, "{}", ran.stdout);
        ran.stderr
    }
}

fn is_refused(address: &str, client: &reqwest::Client) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { client.get(format!("{address}/healthz")).send().await.is_err() })
}

#[test]
fn answers_come_over_tls_and_browsers_are_told_to_stay_with_it() {
    let folder = Folder::new();
    let server = folder.serve();
    assert!(server.address.starts_with("https://"), "{}", server.address);
    let healthy = server.get("/healthz");
    assert_eq!((healthy.status, healthy.header(HSTS)), (200, "max-age=31536000"));
    // Problems and the page too.
    assert_eq!(server.get("/api/v1/nothing").header(HSTS), "max-age=31536000");
    assert_eq!(server.get("/").header(HSTS), "max-age=31536000");
    assert!(is_refused(&server.address, &reqwest::Client::new()), "a certificate that nobody vouches for is taken");
    assert!(is_refused(&server.address.replace("https", "http"), &reqwest::Client::new()), "TLS was spoken to plainly");
    let data = folder.data();
    let token = dorado(["token", "create", "a test", "--scope", "read", "--data", data.to_str().unwrap()]);
    let body = format!(r#"{{"token": "{}"}}"#, token.trim());
    let signed_in = server.post("/api/v1/session", &[("content-type", "application/json")], body);
    let cookie = signed_in.header("set-cookie");
    assert_eq!(signed_in.status, 200);
    assert!(cookie.starts_with("__Host-dorado=") && cookie.contains("Secure"), "{cookie}");
}

#[test]
fn without_tls_no_browser_is_told_to_use_it() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(Path::new(&folder.path().join("lake")));
    let healthy = server.get("/healthz");
    assert_eq!((healthy.status, healthy.header(HSTS)), (200, ""));
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_server_before_it_listens() {
    let folder = Folder::new();
    folder.configure(&["tls.crt"]);
    assert!(folder.refused().contains("`server.tls_cert` needs `server.tls_key`"), "{}", folder.refused());
    std::fs::write(folder.path("empty.crt"), "nothing\n").unwrap();
    folder.configure(&["empty.crt", "tls.key"]);
    assert!(folder.refused().contains("holds no certificate"), "{}", folder.refused());
    folder.configure(&["tls.crt", "nowhere.key"]);
    assert!(folder.refused().contains("cannot read the key"), "{}", folder.refused());
}
