//! Files that never change under a running pod: a `subPath` mount shows one version of a ConfigMap or Secret for ever
//! (operations §2.3 rule 5).

use std::path::Path;

use super::{Contents, Loader};
use crate::config::Config;

/// Every mount of this process.
const MOUNTS_FILE: &str = "/proc/self/mountinfo";
/// The kubelet swaps this link when contents change.
const SWAPPED_LINK: &str = "..data";

/// Warns of each file that will not be updated; blocks on files.
pub(super) fn warn_of_fixed_files(loader: &Loader, config: &Config) {
    let mounts = std::fs::read_to_string(MOUNTS_FILE).unwrap_or_default();
    let mut files = Contents::files(loader, config);
    files.extend(config.server.tls.cert_dir.iter().map(|folder| folder.join("tls.crt")));
    for path in files.iter().filter(|path| path.exists()) {
        if is_fixed(path, &mounts) {
            tracing::warn!(
                event = "config_file_never_updated",
                path = %path.display(),
                "mounted with subPath, which Kubernetes never updates: mount the whole volume as a folder"
            );
        }
    }
}

/// Whether a mount shows one version of a volume, or a file lies over the link its neighbours are.
fn is_fixed(path: &Path, mounts: &str) -> bool {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|facts| facts.is_symlink());
    let lies_over = path.parent().is_some_and(|folder| is_link(&folder.join(SWAPPED_LINK))) && !is_link(path);
    lies_over || mounted_from(path, mounts).is_some_and(is_one_version)
}

/// The part of a file system that is mounted where `path` is: the fourth field of the line with the longest matching mount
/// point, the fifth.
fn mounted_from<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let mut fields = line.split(' ').skip(3);
        Some((fields.next()?, fields.next()?))
    };
    let holds = |(_, point): &(&str, &str)| path.starts_with(point);
    let nearest = mounts.lines().filter_map(mount).filter(holds).max_by_key(|(_, point)| point.len());
    nearest.map(|(root, _)| root)
}

/// The kubelet keeps each version of a volume in a folder named by its time, `..2026_01_02_03_04_05.123456789`.
fn is_one_version(root: &str) -> bool {
    root.split('/')
        .any(|part| part.strip_prefix("..").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        900 800 0:65 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/x\n\
        901 900 0:9 /var/lib/kubelet/pods/u/volumes/kubernetes.io~configmap/config /etc/whole ro,relatime - ext4 /dev/vda ro\n\
        902 900 0:9 /var/lib/kubelet/pods/u/volumes/kubernetes.io~configmap/config/..2026_01_02_03_04_05.1/config.yaml \
            /etc/single/config.yaml ro,relatime - ext4 /dev/vda ro\n\
        903 900 0:70 /..2026_01_02_03_04_05.9 /etc/folder ro,relatime - tmpfs tmpfs ro\n\
        904 900 0:9 /home/me/config.yaml /etc/laptop/config.yaml ro - ext4 /dev/vda ro\n\
        garbage\n";

    #[test]
    fn mounts_of_one_version_are_seen() {
        for (path, expected) in [
            ("/etc/whole/config.yaml", false),
            ("/etc/single/config.yaml", true),
            ("/etc/single/config.yaml.other", false),
            ("/etc/folder/tls.crt", true),
            ("/etc/laptop/config.yaml", false),
            ("/elsewhere", false),
        ] {
            assert_eq!(is_fixed(Path::new(path), MOUNTS), expected, "{path}");
            assert!(!is_fixed(Path::new(path), ""), "{path}");
        }
    }

    #[test]
    fn a_file_over_a_mounted_folder_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("..2026")).unwrap();
        std::os::unix::fs::symlink("..2026", at(SWAPPED_LINK)).unwrap();
        std::fs::write(at("..2026/linked"), "").unwrap();
        std::os::unix::fs::symlink("..data/linked", at("linked")).unwrap();
        std::fs::write(at("over"), "").unwrap();
        assert_eq!((is_fixed(&at("linked"), ""), is_fixed(&at("over"), "")), (false, true));
    }
}
