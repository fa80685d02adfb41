use std::os::unix::fs::symlink;

use jiff::SignedDuration;

use super::*;

/// Looks at the file every time.
const EAGER: TokenTimes = TokenTimes {
    age_max: Duration::from_mins(5),
    expiry_margin: Duration::from_mins(1),
    look_interval: Duration::ZERO,
    refused_interval: Duration::ZERO,
};

fn shown(pool: &TokenPool) -> String {
    pool.token().map_or_else(|error| error.to_string(), |token| token.expose_secret().to_owned())
}

/// A folder laid out as the kubelet does: `token` → `..data/token`, `..data` → a folder of one generation.
fn projected(folder: &Path, generation: &str, token: &str) {
    std::fs::create_dir(folder.join(generation)).unwrap();
    std::fs::write(folder.join(generation).join("token"), token).unwrap();
    let _ = std::fs::remove_file(folder.join("..new"));
    symlink(generation, folder.join("..new")).unwrap();
    std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    let _ = symlink("..data/token", folder.join("token"));
}

#[test]
fn a_rotation_by_symlink_swap_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    projected(folder.path(), "..1", "first\n");
    let pool = TokenPool::with_times(folder.path().join("token"), EAGER);
    assert_eq!((shown(&pool), shown(&pool)), ("first".to_owned(), "first".to_owned()));
    projected(folder.path(), "..2", "other\n");
    assert_eq!(shown(&pool), "other");
    assert!(!format!("{pool:?}").contains("other"));
}

#[test]
fn between_two_looks_the_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let pool = TokenPool::new(path.clone());
    assert_eq!(shown(&pool), "first");
    std::fs::write(&path, "second").unwrap();
    assert_eq!(shown(&pool), "first");
}

#[test]
fn a_token_is_used_until_shortly_before_its_expiry() {
    let pool = TokenPool::new(PathBuf::from("unused"));
    let now: Timestamp = "2026-04-07T10:00:00Z".parse().unwrap();
    let jwt = |seconds: i64| {
        let claims = format!("{{\"exp\":{}}}", (now + SignedDuration::from_secs(seconds)).as_second());
        format!("e30.{}.c2ln", Base64UrlUnpadded::encode_string(claims.as_bytes()))
    };
    for (token, seconds) in [
        (jwt(3_600), 300),
        (jwt(200), 140),
        // About to expire, or expired: not for longer than the least time between two reads.
        (jwt(30), 1),
        (jwt(-30), 1),
        ("opaque".to_owned(), 300),
        ("a.%%.c".to_owned(), 300),
    ] {
        assert_eq!(pool.useful(expiry(&token), now), Duration::from_secs(seconds), "{token}");
    }
}

#[test]
fn a_file_that_vanished_does_not_take_a_good_token_with_it_but_age_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let lasting = TokenPool::with_times(path.clone(), EAGER);
    let fleeting = TokenPool::with_times(path.clone(), TokenTimes { age_max: Duration::ZERO, ..EAGER });
    assert_eq!((shown(&lasting), shown(&fleeting)), ("first".to_owned(), "first".to_owned()));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(shown(&lasting), "first");
    assert!(shown(&fleeting).starts_with("no ServiceAccount token: "), "{}", shown(&fleeting));
}

#[test]
fn what_is_no_token_is_told_without_repeating_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let pool = TokenPool::new(path.clone());
    assert!(shown(&pool).starts_with("no ServiceAccount token: "));
    let huge = "x".repeat(70_000);
    for content in ["", " \n", "two words", "schlüssel", "a\u{7}b", huge.as_str()] {
        std::fs::write(&path, content).unwrap();
        let error = shown(&pool);
        let is_told = error.ends_with("must hold exactly one token") || error.ends_with("the most is 65536");
        assert!(is_told && !error.contains("words") && !error.contains("xxx"), "{error}");
    }
}

#[test]
fn a_refused_token_is_read_again_at_most_once_in_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let times = TokenTimes { refused_interval: Duration::from_millis(300), ..TokenTimes::default() };
    let pool = TokenPool::with_times(path.clone(), times);
    let first = pool.token().unwrap();
    std::fs::write(&path, "second\n").unwrap();
    assert!(!pool.refused(&first), "read a moment ago");
    std::thread::sleep(times.refused_interval);
    assert!(pool.refused(&first));
    assert!(pool.refused(&first), "whoever was refused the old one takes the new one without another read");
    let second = pool.token().unwrap();
    assert_eq!(second.expose_secret(), "second");
    std::thread::sleep(times.refused_interval);
    assert!(!pool.refused(&second), "the file holds nothing else");
}
