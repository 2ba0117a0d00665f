//! Where a cluster is and how we sign in there, as a kubeconfig says. kube reads it and signs in; the connection is our
//! own, so what would have us connect otherwise is refused here.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::Config;
use kube::config::{AuthInfo, Cluster, ExecInteractiveMode, Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret as _, SecretString};

use super::Options;
use crate::http::{Authorization, Outgoing};
use crate::signature::Secret;
use crate::source::{BadOption, Connection};

/// What a kubeconfig says of one of its contexts.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// As kube takes it, which signs in by it.
    pub(super) config: Config,
    certificates: Option<Secret>,
    identity: Option<Secret>,
}

impl Access {
    /// What the kubeconfig of a connection says; `None` where it has none.
    pub(super) fn of(connection: &Connection, options: &Options) -> Result<Option<Self>, BadOption> {
        let Some(path) = &options.kubeconfig else {
            let is_alone = options.context.is_some();
            let problem = "it is one of a kubeconfig, and `kubeconfig` is missing";
            return if is_alone { Err(BadOption::new("context", problem)) } else { Ok(None) };
        };
        for (key, is_there) in [
            ("url", connection.url.is_some()),
            ("token", connection.token.is_some()),
            ("certificates", connection.certificates.is_some()),
        ] {
            if is_there {
                return Err(BadOption::new(key, "the kubeconfig says it already; leave out one of the two"));
            }
        }
        Self::read(path, options.context.as_deref()).map(Some)
    }

    fn read(path: &Path, context: Option<&str>) -> Result<Self, BadOption> {
        let wrong = |problem: String| BadOption::new("kubeconfig", problem);
        let mut file = Kubeconfig::read_from(path).map_err(|error| wrong(unread(path, &error)))?;
        if let Some(context) = context {
            file.current_context = Some(context.to_owned());
        }
        let cluster = cluster(&file).cloned().unwrap_or_default();
        let mut config = Config::try_from(file).map_err(|error| wrong(unread(path, &error)))?;
        config.auth_info = signing_in(config.auth_info).map_err(wrong)?;
        let refused = [
            (
                cluster.proxy_url.is_some(),
                "`proxy-url`: a proxy would connect in our place, to wherever a name leads there",
            ),
            (config.accept_invalid_certs, "`insecure-skip-tls-verify`: name the cluster's `certificate-authority`"),
            (
                config.tls_server_name.is_some(),
                "`tls-server-name`: name the cluster by a name that its certificate has",
            ),
        ];
        if let Some((_, why)) = refused.iter().find(|(is_there, _)| *is_there) {
            return Err(wrong(format!("the cluster's {why}")));
        }
        let Cluster { certificate_authority, certificate_authority_data, .. } = cluster;
        let AuthInfo { client_certificate, client_certificate_data, client_key, client_key_data, .. } =
            config.auth_info.clone();
        let certificate = pem(client_certificate_data.map(SecretString::from), client_certificate);
        let key = pem(client_key_data, client_key);
        Ok(Self {
            config,
            certificates: pem(certificate_authority_data.map(SecretString::from), certificate_authority),
            identity: certificate.zip(key).map(|(certificate, key)| {
                Secret::read_by(move || Some([key.read()?, b"\n".to_vec(), certificate.read()?].concat()))
            }),
        })
    }

    /// The cluster, as our own client asks it. kube signs in, but for the certificate that belongs to a connection.
    pub(super) fn outgoing(self, connection: &Connection) -> Outgoing {
        let url = self.config.cluster_url.to_string();
        let Self { certificates, identity, .. } = self;
        Outgoing { certificates, identity, ..connection.outgoing(&url, Authorization::None) }
    }
}

/// The cluster of the current context.
fn cluster(file: &Kubeconfig) -> Option<&Cluster> {
    let current = file.contexts.iter().find(|named| Some(&named.name) == file.current_context.as_ref())?;
    let name = &current.context.as_ref()?.cluster;
    file.clusters.iter().find(|named| named.name == *name)?.cluster.as_ref()
}

/// How we sign in, without anybody who could answer a question.
fn signing_in(mut user: AuthInfo) -> Result<AuthInfo, String> {
    if let Some(provider) = &user.auth_provider {
        let name = &provider.name;
        return Err(format!(
            "the user's auth-provider `{name}` is no longer supported, not by kubectl either; use a token or an exec plugin"
        ));
    }
    if let Some(exec) = &mut user.exec {
        if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
            let command = exec.command.as_deref().unwrap_or_default();
            return Err(format!("the user's plugin `{command}` asks somebody; use a token, as of a service account"));
        }
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Ok(user)
}

/// PEM in base64, else of a file, read at each use.
fn pem(data: Option<SecretString>, file: Option<String>) -> Option<Secret> {
    let file = file.map(PathBuf::from);
    match (data, file) {
        (Some(data), _) => Some(Secret::read_by(move || BASE64.decode(data.expose_secret()).ok())),
        (None, Some(file)) => Some(Secret::read_by(move || fs::read(&file).ok())),
        (None, None) => None,
    }
}

/// Why a kubeconfig cannot be used. The parser would quote the place, and there may be a token.
fn unread(path: &Path, error: &KubeconfigError) -> String {
    let path = path.display();
    match error {
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(", line {}", at.line())).unwrap_or_default();
            format!("`{path}`{place}: not a kubeconfig")
        }
        KubeconfigError::ReadConfig(error, _) => format!("`{path}` cannot be read: {error}"),
        KubeconfigError::CurrentContextNotSet => format!("`{path}` has no current context; name one by `context`"),
        KubeconfigError::LoadContext(name) => format!("`{path}` has no context `{name}`"),
        KubeconfigError::LoadClusterOfContext(name) => format!("`{path}` has no cluster `{name}`"),
        other => format!("`{path}`: {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::*;

    fn access(kubeconfig: &str, context: Option<&str>) -> Result<Access, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), kubeconfig).unwrap();
        let path = file.path().display().to_string();
        Access::read(file.path(), context).map_err(|error| error.to_string().replace(&path, "FILE"))
    }

    fn kubeconfig(cluster: &Value, user: &Value) -> String {
        json!({
            "clusters": [{"name": "eu", "cluster": cluster}],
            "users": [{"name": "dorado", "user": user}],
            "contexts": [{"name": "main", "context": {"cluster": "eu", "user": "dorado"}},
                {"name": "lost", "context": {"cluster": "us", "user": "dorado"}}],
        })
        .to_string()
    }

    #[test]
    fn certificates_are_taken_from_it_or_from_the_files_that_it_names() {
        let data = |text: &str| BASE64.encode(text);
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        fs::write(&key, "KEY").unwrap();
        let cluster = json!({"server": "https://eu.example.org:6443", "certificate-authority-data": data("CA")});
        let user = json!({"client-certificate-data": data("CERTIFICATE"), "client-key": key});
        let access = access(&kubeconfig(&cluster, &user), Some("main")).unwrap();
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let outgoing = access.outgoing(&Connection { networks: networks.clone(), ..Connection::default() });
        assert_eq!(outgoing.url, "https://eu.example.org:6443/");
        assert_eq!(outgoing.networks, networks);
        assert_eq!(outgoing.certificates.unwrap().read().unwrap(), b"CA");
        assert_eq!(outgoing.identity.unwrap().read().unwrap(), b"KEY\nCERTIFICATE");
    }

    #[test]
    fn what_cannot_be_used_is_said_by_name_and_without_its_secrets() {
        let cluster = json!({"server": "https://eu.example.org"});
        let with = |key: &str, value: Value| {
            let mut cluster = cluster.clone();
            cluster[key] = value;
            kubeconfig(&cluster, &json!({}))
        };
        let by = |user: Value| kubeconfig(&cluster, &user);
        for (text, context, expected) in [
            (by(json!({})), None, "`FILE` has no current context; name one by `context`"),
            (by(json!({})), Some("other"), "`FILE` has no context `other`"),
            (by(json!({})), Some("lost"), "`FILE` has no cluster `us`"),
            (
                with("proxy-url", json!("http://proxy")),
                Some("main"),
                "the cluster's `proxy-url`: a proxy would connect",
            ),
            (with("insecure-skip-tls-verify", json!(true)), Some("main"), "the cluster's `insecure-skip-tls-verify`"),
            (with("tls-server-name", json!("eu")), Some("main"), "the cluster's `tls-server-name`"),
            (by(json!({"auth-provider": {"name": "gcp"}})), Some("main"), "the user's auth-provider `gcp`"),
            (
                by(json!({"exec": {"command": "ask-me", "interactiveMode": "Always"}})),
                Some("main"),
                "the user's plugin `ask-me` asks somebody",
            ),
            ("users: [{name: a, user: {token: hunter2]".to_owned(), None, "`FILE`, line 1: not a kubeconfig"),
        ] {
            let error = access(&text, context).unwrap_err();
            assert!(error.starts_with(&format!("`kubeconfig`: {expected}")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let missing = Access::read(Path::new("/no/such/file"), None).unwrap_err();
        assert!(missing.to_string().contains("`/no/such/file` cannot be read"), "{missing}");
    }

    #[test]
    fn a_place_is_told_once() {
        let of = |connection: Connection, kubeconfig: Option<&str>| {
            let options = Options {
                kubeconfig: kubeconfig.map(PathBuf::from),
                context: Some("main".to_owned()),
                ..Options::default()
            };
            Access::of(&connection, &options).unwrap_err().option
        };
        assert_eq!(of(Connection { url: Some("http://x".to_owned()), ..Connection::default() }, Some("/x")), "url");
        assert_eq!(of(Connection { token: Some(Secret::value("x")), ..Connection::default() }, Some("/x")), "token");
        assert_eq!(of(Connection::default(), None), "context");
    }
}
