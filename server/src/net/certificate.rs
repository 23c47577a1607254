//! The certificate of the device port: the operator's, or one of our own made at the first start.
//!
//! Our own is a small authority (ten years) and a leaf under it (398 days, what browsers and
//! phones accept at most). The leaf is made anew when it nears its end or when the names that the
//! server is reached by have changed: at a start, and while the server runs; devices trust the
//! authority, so they notice nothing. The authority itself is made at a start only.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use crate::secret;

const AUTHORITY_LIFETIME: Duration = Duration::from_secs(3652 * 24 * 3600);
const LEAF_LIFETIME: Duration = Duration::from_secs(398 * 24 * 3600);
/// A leaf younger than this is kept.
const LEAF_RENEWED_AFTER: Duration = Duration::from_secs(300 * 24 * 3600);
/// Clocks of phones differ: a certificate is valid from a day ago.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file could not be read or written.
    #[error("certificate: {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no usable PEM.
    #[error("certificate: {}: {reason}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Making one failed.
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// There is nothing to make a certificate under.
    #[error(
        "certificate: {}: a part of the authority is gone; a start makes a new one, which no device trusts yet",
        .path.display()
    )]
    NoAuthority {
        /// What is missing.
        path: PathBuf,
    },
}

/// A chain with its key, and what devices must trust.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
    /// PEM of the authority.
    pub ca_pem: String,
}

impl Identity {
    /// SHA-256 of the leaf in lower-case hex, as `openssl x509 -fingerprint -sha256` tells it with colons.
    pub fn fingerprint(&self) -> String {
        let leaf = self.chain.first().map_or(&[][..], |leaf| leaf.as_ref());
        secret::hex(&Sha256::digest(leaf))
    }
}

/// Reads the operator's chain and key. `ca`: what devices must trust; without it, the chain.
pub fn load(chain: &Path, key: &Path, ca: Option<&Path>) -> Result<Identity, CertificateError> {
    let ca_pem = read(ca.unwrap_or(chain))?;
    let certificates = CertificateDer::pem_slice_iter(read(chain)?.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(chain, error.to_string()))?;
    if certificates.is_empty() {
        return Err(content(chain, "no certificate in it".into()));
    }
    let private = PrivateKeyDer::from_pem_slice(read(key)?.as_bytes())
        .map_err(|error| content(key, error.to_string()))?;
    Ok(Identity {
        chain: certificates,
        key: private,
        ca_pem,
    })
}

/// Our own identity under `dir`, made or renewed if need be, for these host names and addresses.
pub fn own(dir: &Path, hosts: &[String]) -> Result<Identity, CertificateError> {
    fs::create_dir_all(dir).map_err(|source| CertificateError::File {
        path: dir.to_owned(),
        source,
    })?;
    let files = OwnFiles::under(dir);
    let lost = files.lost_of_authority().is_some();
    if lost {
        if files.ca_key.exists() || files.ca.exists() || files.leaf.exists() {
            tracing::warn!(
                folder = %dir.display(),
                "a part of the authority is gone: a new one is made, and devices must be given its ca_cert"
            );
        }
        make_authority(&files.ca, &files.ca_key)?;
    }
    files.identity(hosts, !lost)
}

/// The same while the server runs: under the authority that is there, or not at all.
///
/// # Errors
/// [`CertificateError`]; then nothing was changed but, at most, the leaf.
pub fn renewed(dir: &Path, hosts: &[String]) -> Result<Identity, CertificateError> {
    let files = OwnFiles::under(dir);
    match files.lost_of_authority() {
        Some(path) => Err(CertificateError::NoAuthority {
            path: path.to_owned(),
        }),
        None => files.identity(hosts, true),
    }
}

/// What lies in the folder of our own identity.
struct OwnFiles {
    ca: PathBuf,
    ca_key: PathBuf,
    leaf: PathBuf,
    key: PathBuf,
    /// When the leaf was made, and for which names.
    made: PathBuf,
}

impl OwnFiles {
    fn under(dir: &Path) -> OwnFiles {
        OwnFiles {
            ca: dir.join("ca.pem"),
            ca_key: dir.join("ca.key"),
            leaf: dir.join("device.pem"),
            key: dir.join("device.key"),
            made: dir.join("made"),
        }
    }

    fn lost_of_authority(&self) -> Option<&Path> {
        [&self.ca_key, &self.ca]
            .into_iter()
            .find(|path| !path.exists())
            .map(PathBuf::as_path)
    }

    /// What is there, with another leaf if this one is old or of other names, or may not be kept.
    fn identity(&self, hosts: &[String], may_keep: bool) -> Result<Identity, CertificateError> {
        let is_current = may_keep
            && self.key.exists()
            && self.leaf.exists()
            && fs::read_to_string(&self.made).is_ok_and(|made| is_fresh(&made, hosts));
        if !is_current {
            make_leaf(&self.ca_key, &self.leaf, &self.key, hosts)?;
            write(&self.made, &made_for(SystemTime::now(), hosts))?;
        }
        load(&self.leaf, &self.key, Some(&self.ca))
    }
}

/// What is noted beside a leaf: when it was made, and for which names.
fn made_for(made: SystemTime, hosts: &[String]) -> String {
    let since = made
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}\n{}", since.as_secs(), hosts.join("\n"))
}

/// Whether the leaf of such a note is young enough and made for these names.
fn is_fresh(note: &str, hosts: &[String]) -> bool {
    let Some((made_s, made_hosts)) = note.split_once('\n') else {
        return false;
    };
    let made = made_s
        .parse()
        .map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let age = made.ok().and_then(|made| made.elapsed().ok());
    made_hosts == hosts.join("\n") && age.is_some_and(|age| age < LEAF_RENEWED_AFTER)
}

fn make_authority(path: &Path, key_path: &Path) -> Result<(), CertificateError> {
    let key = KeyPair::generate()?;
    let certificate = authority_params().self_signed(&key)?;
    // The key first: a certificate without its key would never be made again.
    write(key_path, &key.serialize_pem())?;
    write(path, &certificate.pem())
}

/// Name and powers of the authority. A leaf refers to it by name and key, so these are the same
/// at every start.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Ringpost authority of this server");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_lifetime(&mut params, AUTHORITY_LIFETIME);
    params
}

fn make_leaf(
    ca_key_path: &Path,
    leaf_path: &Path,
    key_path: &Path,
    hosts: &[String],
) -> Result<(), CertificateError> {
    let ca_key = KeyPair::from_pem(&read(ca_key_path)?)?;
    let issuer = Issuer::new(authority_params(), ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts.to_vec())?;
    params.distinguished_name = name("Ringpost device port");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_lifetime(&mut params, LEAF_LIFETIME);
    let certificate = params.signed_by(&key, &issuer)?;
    write(key_path, &key.serialize_pem())?;
    write(leaf_path, &certificate.pem())
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn set_lifetime(params: &mut CertificateParams, lifetime: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + lifetime).into();
}

/// The names a server is reached by: loopback, the address it listens on if that is one, and the
/// public host.
pub fn hosts(listens_on: IpAddr, public_host: Option<&str>) -> Vec<String> {
    let mut hosts = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let address = (!listens_on.is_unspecified()).then(|| listens_on.to_string());
    for host in address.into_iter().chain(public_host.map(str::to_owned)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

fn read(path: &Path) -> Result<String, CertificateError> {
    fs::read_to_string(path).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}

fn content(path: &Path, reason: String) -> CertificateError {
    CertificateError::Content {
        path: path.to_owned(),
        reason,
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    let error = |source| CertificateError::File {
        path: path.to_owned(),
        source,
    };
    let half = path.with_extension("half");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&half)
        .map_err(error)?;
    file.write_all(text.as_bytes()).map_err(error)?;
    file.sync_all().map_err(error)?;
    fs::rename(&half, path).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn given_an_own_identity_when_asked_for_again_should_be_kept_and_for_other_names_be_made_anew()
    {
        let dir = tempfile::tempdir().expect("a folder");
        let first = own(dir.path(), &hosts(&["localhost"])).expect("made");
        let again = own(dir.path(), &hosts(&["localhost"])).expect("kept");
        assert_eq!((&again.chain, &again.ca_pem), (&first.chain, &first.ca_pem));
        let renamed = own(dir.path(), &hosts(&["localhost", "push.example.org"])).expect("made");
        assert_ne!(renamed.chain, first.chain);
        assert_eq!(renamed.ca_pem, first.ca_pem);
    }

    #[test]
    fn given_a_lost_authority_when_started_should_make_a_leaf_that_the_new_one_signed() {
        for lost in ["ca.pem", "ca.key"] {
            let dir = tempfile::tempdir().expect("a folder");
            let first = own(dir.path(), &hosts(&["localhost"])).expect("made");
            fs::remove_file(dir.path().join(lost)).expect("removed");
            let second = own(dir.path(), &hosts(&["localhost"])).expect("made");
            assert_ne!(second.ca_pem, first.ca_pem, "{lost}");
            assert_ne!(second.chain, first.chain, "{lost}");
        }
    }

    #[test]
    fn given_a_running_server_when_its_leaf_is_old_or_its_authority_gone_should_renew_the_leaf_alone()
     {
        let dir = tempfile::tempdir().expect("a folder");
        let names = hosts(&["localhost"]);
        let first = own(dir.path(), &names).expect("made");
        assert_eq!(
            renewed(dir.path(), &names).expect("kept").chain,
            first.chain
        );
        let old = made_for(SystemTime::now() - LEAF_RENEWED_AFTER, &names);
        fs::write(dir.path().join("made"), old).expect("written");
        let second = renewed(dir.path(), &names).expect("renewed");
        assert_ne!(second.chain, first.chain);
        assert_eq!(second.ca_pem, first.ca_pem);

        for lost in ["ca.pem", "ca.key"] {
            let path = dir.path().join(lost);
            let kept = fs::read(&path).expect("there");
            fs::remove_file(&path).expect("removed");
            let error = renewed(dir.path(), &names).expect_err(lost).to_string();
            assert!(error.contains(lost), "{error}");
            assert!(!path.exists(), "no other authority is made");
            fs::write(&path, kept).expect("written");
        }
    }

    #[test]
    fn given_a_note_when_it_is_old_or_of_other_names_should_not_be_fresh() {
        let names = hosts(&["a", "b"]);
        let now = SystemTime::now();
        assert!(is_fresh(&made_for(now, &names), &names));
        assert!(!is_fresh(&made_for(now, &hosts(&["a"])), &names));
        assert!(!is_fresh(
            &made_for(now - LEAF_RENEWED_AFTER, &names),
            &names
        ));
        assert!(!is_fresh("", &names));
    }
}
