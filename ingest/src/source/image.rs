//! What the names of container images say: which version runs, and, where a tag holds a whole SHA, of which commit.

use super::told::sha_in;

/// What a set of images says of the service that they run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The commit, where the service's image names one and no other.
    pub(crate) revision: Option<String>,
    /// The tag of the service's image, where it is one.
    pub(crate) version: Option<String>,
}

/// Reads the images of `service`. Helpers that run beside it have images too: the one that is named like the service
/// is its own; without such, all are asked, and must agree.
pub(crate) fn read<'a>(images: impl IntoIterator<Item = &'a str>, service: &str) -> Said {
    let named: Vec<(&str, &str)> = images.into_iter().map(split).collect();
    let own: Vec<&str> = named.iter().filter(|(name, _)| *name == service).map(|(_, tag)| *tag).collect();
    let tags = if own.is_empty() { named.iter().map(|(_, tag)| *tag).collect() } else { own };
    let version = one(tags.iter().copied().filter(|tag| !tag.is_empty() && *tag != "latest").map(str::to_owned));
    Said { revision: one(tags.iter().filter_map(|tag| sha_in(tag))), version }
}

/// Name without registry and path, and tag without digest: a digest is 64 hexadecimal digits, and no commit.
fn split(image: &str) -> (&str, &str) {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').unwrap_or((last, ""))
}

/// The only one of all, where they agree.
fn one(mut all: impl Iterator<Item = String>) -> Option<String> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "4f2c1d6b8a90e7f3c5d1b2a49687e0f1c2d3b4a5";

    fn said(images: &[&str], service: &str) -> (Option<String>, Option<String>) {
        let said = read(images.iter().copied(), service);
        (said.revision, said.version)
    }

    #[test]
    fn the_image_named_like_the_service_is_asked() {
        let tag = format!("main-{SHA}");
        let own = format!("registry.example.org:5000/shop/checkout:{tag}");
        assert_eq!(said(&[&own, "envoy:v1.30"], "checkout"), (Some(SHA.to_owned()), Some(tag)));
        assert_eq!(said(&["a/checkout:1.2.3", "envoy:v1.30"], "checkout"), (None, Some("1.2.3".to_owned())));
    }

    #[test]
    fn images_that_disagree_say_nothing() {
        assert_eq!(said(&["a:1.2.3", "b:1.2.4"], "checkout"), (None, None));
        assert_eq!(said(&["a:1.2.3", "b:1.2.3"], "checkout"), (None, Some("1.2.3".to_owned())));
    }

    #[test]
    fn a_digest_is_no_commit_and_latest_no_version() {
        let digest = format!("checkout@sha256:{}", "4f".repeat(32));
        assert_eq!(said(&[&digest], "checkout"), (None, None));
        assert_eq!(said(&["checkout:latest"], "checkout"), (None, None));
        assert_eq!(said(&["registry:5000/checkout"], "checkout"), (None, None));
    }
}
