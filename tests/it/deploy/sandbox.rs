//! The binary as a cluster runs it: a user nobody knows, group 0, no capabilities, a root that cannot be written to, one
//! writable folder. Needs root and mount namespaces; where there are none it says so.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{Caller, Service, root};

const USER: &str = "12345";

/// Everything below `$1` is read-only except `$1/state`; then `$1/holmesgpt-api` runs with the remaining arguments.
const CONTAINER: &str = r#"
set -eu
folder=$1; shift
mount --bind "$BINARY" "$folder/holmesgpt-api"
mount --bind "$EXAMPLES" "$folder/examples"
mount --bind "$folder/state" "$folder/state"
mount -o remount,bind,ro /
mount -o remount,bind,ro /dev/shm 2>/dev/null || true
if touch "$folder/written" /tmp/written 2>/dev/null; then echo "the root is writable" >&2; exit 1; fi
cd /
exec setpriv --reuid "$USER" --regid 0 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    "$folder/holmesgpt-api" "$@"
"#;

fn container(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", CONTAINER, "sh"]).arg(folder).args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("USER", USER);
    command.env("BINARY", env!("CARGO_BIN_EXE_holmesgpt-api")).env("EXAMPLES", root().join("examples"));
    command.env("HOME", "/nonexistent").env("TMPDIR", folder.join("state"));
    command
}

/// A folder with the mount points; `None` where namespaces cannot be had.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn folder() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("examples")).unwrap();
    fs::write(folder.path().join("holmesgpt-api"), "").unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    // As the image has it: the group may write.
    fs::set_permissions(&state, fs::Permissions::from_mode(0o770)).unwrap();
    let tried = container(folder.path(), &["--version"]).output();
    match tried {
        Ok(output) if output.status.success() => Some(folder),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!reason.contains("the root is writable"), "{reason}");
            eprintln!("skipped: no read-only root as another user here: {reason}");
            None
        }
        Err(error) => {
            eprintln!("skipped: no `unshare` on the PATH: {error}");
            None
        }
    }
}

#[tokio::test]
async fn serves_as_an_arbitrary_user_with_a_read_only_root_and_no_capabilities() {
    let Some(folder) = folder() else { return };
    let state = folder.path().join("state");
    let config = folder.path().join("examples/standalone.yaml");
    let arguments = ["-config", config.to_str().unwrap(), "--port", "0", "--state-dir", state.to_str().unwrap()];
    let service = Service::started(container(folder.path(), &arguments));
    assert_eq!(service.status("Uid:"), [USER; 4].join("\t"));
    assert_eq!(service.status("Gid:"), ["0"; 4].join("\t"));
    for set in ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(service.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(service.status("NoNewPrivs:"), "1");
    let caller = Caller::of(&state);
    assert_eq!(caller.get(&service, "/ready").await.0, 200);
    let session = caller.submit(&service, "examples/oom-cart-api/incident.json").await;
    assert_eq!(caller.result(&service, &session).await["needs_human_review"], false);
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
}

/// `kubectl exec … investigate` in the pod.
#[test]
fn investigates_with_nothing_writable_but_the_folder_for_temporary_files() {
    let Some(folder) = folder() else { return };
    let incident = folder.path().join("examples/oom-cart-api/incident.json");
    let output = container(folder.path(), &["investigate", incident.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("IncreaseMemoryLimits"));
}
