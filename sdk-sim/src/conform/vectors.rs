//! The golden vectors that a device sends, as this program carries them.
//!
//! Owner: the document. Always: these are the files of `protocol/tests/golden`, all of those whose
//! sender is a device; a test compares the list with the folder.

use super::vector::Vector;

/// Name, bytes and text of vectors.
macro_rules! files {
    ($($name:literal,)+) => {
        &[$((
            $name,
            include_str!(concat!("../../../protocol/tests/golden/", $name, ".hex")),
            include_str!(concat!("../../../protocol/tests/golden/", $name, ".txt")),
        ),)+]
    };
}

const FILES: &[(&str, &str, &str)] = files![
    "ack-most",
    "ack-one",
    "ack-several",
    "ack-widest-delta",
    "bad-ack-cut-delta",
    "bad-ack-delta-65-bits",
    "bad-ack-delta-eleven",
    "bad-ack-delta-not-minimal",
    "bad-ack-delta-zero",
    "bad-ack-empty",
    "bad-ack-overflow",
    "bad-ack-too-many",
    "bad-after-good",
    "bad-command-alias-empty",
    "bad-command-alias-long",
    "bad-command-alias-type-long",
    "bad-command-alias-utf8",
    "bad-command-badge",
    "bad-command-cut-alias",
    "bad-command-cut-scope",
    "bad-command-cut",
    "bad-command-device-model-long",
    "bad-command-device-os-long",
    "bad-command-feedback-cut",
    "bad-command-feedback-many",
    "bad-command-feedback-none",
    "bad-command-push-switch",
    "bad-command-scope",
    "bad-command-silent-begin",
    "bad-command-silent-hours",
    "bad-command-silent-zone",
    "bad-command-tag-utf8",
    "bad-command-tags-cut",
    "bad-command-tags-missing",
    "bad-command-vendor-channel-empty",
    "bad-command-vendor-token-long",
    "bad-direction-command-result",
    "bad-direction-go-away",
    "bad-direction-push",
    "bad-direction-upstream-ack",
    "bad-direction-welcome",
    "bad-hello-app-id-empty",
    "bad-hello-app-id-long",
    "bad-hello-app-id-utf8",
    "bad-hello-credential-long",
    "bad-hello-credential-short",
    "bad-hello-credential-type",
    "bad-hello-cut-identity",
    "bad-hello-cut-last",
    "bad-hello-empty",
    "bad-hello-flags",
    "bad-hello-sdk-version",
    "bad-hello-sign",
    "bad-kind-reserved-feedback",
    "bad-kind-zero",
    "bad-length-first-frame",
    "bad-length-ignorable",
    "bad-length-not-minimal-three",
    "bad-length-to-server",
    "bad-upstream-cut",
    "bad-upstream-id-zero",
    "bad-upstream-task-long",
    "close-normal-from-device",
    "command-badge-largest",
    "command-badge",
    "command-bind-alias-default",
    "command-bind-alias-later-minor",
    "command-bind-alias-longest",
    "command-bind-alias",
    "command-device-info-empty",
    "command-device-info-later-switch",
    "command-device-info",
    "command-feedback",
    "command-push-switch-off",
    "command-push-switch-on",
    "command-query-tags",
    "command-set-tags-none",
    "command-set-tags-odd",
    "command-set-tags",
    "command-silent-time-cancelled",
    "command-silent-time",
    "command-unbind-alias-everywhere",
    "command-unbind-alias",
    "command-unknown-op-arguments",
    "command-unknown-op",
    "command-vendor-token-longest",
    "command-vendor-token-taken-back",
    "command-vendor-token",
    "hello-later-minor",
    "hello-later-platform",
    "hello-login",
    "hello-longest",
    "hello-register",
    "hello-shortest",
    "hello-signed",
    "partial-body",
    "ping-from-device",
    "pong-from-device",
    "stream-device",
    "stream-ignorable-before-hello",
    "upstream-shortest",
    "upstream",
];

/// All of them, by name.
///
/// # Errors
/// The name of a file that is no vector, and why.
pub(super) fn all() -> Result<Vec<Vector>, String> {
    let read = |(name, hex, text): &(&'static str, &str, &str)| {
        Vector::read(name, hex, text).map_err(|why| format!("{name}: {why}"))
    };
    FILES.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn given_the_folder_of_golden_vectors_when_compared_should_hold_each_of_a_device() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden");
        let of_devices: BTreeSet<String> = fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .filter(|path| {
                let text = fs::read_to_string(path).expect("read");
                text.lines().any(|line| line == "sender = device")
            })
            .map(|path| path.file_stem().expect("a name").display().to_string())
            .collect();
        let here: BTreeSet<String> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(here, of_devices, "the list in vectors.rs");
        assert_eq!(all().expect("all are read").len(), here.len());
    }
}
