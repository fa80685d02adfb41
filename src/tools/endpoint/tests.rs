use super::*;

#[test]
fn addresses_hold_no_credentials_and_keep_their_path() {
    for good in ["http://prometheus:9090", "https://host/select/0/prometheus/"] {
        assert!(base_url(good, "key").is_ok(), "{good}");
    }
    for bad in ["prometheus:9090", "ftp://x", "https://user:pass@x/", "https://x/?key=1", "https://x/#a", "/x"] {
        assert_eq!(base_url(bad, "key"), Err(BuildError::BadUrl("key")), "{bad}");
    }
}

#[test]
fn what_the_server_says_is_found_and_bounded() {
    for (body, expected) in [
        (
            r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error:\n unexpected"}"#,
            "1:5: parse error: unexpected",
        ),
        (r#""bad matcher format: x""#, "bad matcher format: x"),
        (r#"{"code":602,"message":"filter in query is bad"}"#, "filter in query is bad"),
        ("<html>\n 502 </html>", "<html> 502 </html>"),
        ("", "no message"),
        (r#"{"a":1}"#, r#"{"a":1}"#),
    ] {
        assert_eq!(message(body.as_bytes()), expected);
    }
    assert_eq!(message("ü".repeat(2_000).as_bytes()).chars().count(), MESSAGE_CHARS_MAX);
}

fn endpoint(headers: &ExtraHeaders, token_file: Option<&Path>) -> Result<Endpoint, BuildError> {
    Endpoint::build(&EndpointSettings {
        server: "Prometheus",
        url_key: "prometheus_url",
        url: Some("http://prometheus:9090/base/"),
        headers,
        token_file,
        ca_file: None,
        verify_tls: true,
    })
}

#[test]
fn segments_and_values_are_encoded_and_long_queries_become_forms() {
    let endpoint = endpoint(&ExtraHeaders::default(), None).unwrap();
    let built = |value: String, takes_form: bool| {
        let query = [("query", value)];
        let question = Question {
            path: &["api", "v1", "label", "a/b"],
            query: &query,
            timeout: Duration::from_secs(1),
            takes_form,
        };
        endpoint.request(&question).build().unwrap()
    };
    let short = built("up & x".into(), true);
    assert_eq!(short.url().as_str(), "http://prometheus:9090/base/api/v1/label/a%2Fb?query=up+%26+x");
    let long = built("x".repeat(3_000), true);
    assert_eq!((long.method().as_str(), long.url().query()), ("POST", None));
    assert_eq!(built("x".repeat(3_000), false).method().as_str(), "GET");
}

#[test]
fn header_values_are_not_shown_and_bad_ones_are_named() {
    let headers = |name: &str, value: &str| ExtraHeaders(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    assert_eq!(format!("{:?}", headers("X-Scope-OrgID", "hush")), r#"{"X-Scope-OrgID"}"#);
    assert!(headers("AUTHORIZATION", "x").has_authorization());
    assert!(endpoint(&headers("X-Scope-OrgID", "a"), None).is_ok());
    for (name, value) in [("x y", "a"), ("x", "a\nb")] {
        assert_eq!(endpoint(&headers(name, value), None).err(), Some(BuildError::Header { name: name.to_owned() }));
    }
}

#[test]
fn a_token_file_must_hold_one_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "two words").unwrap();
    assert!(matches!(endpoint(&ExtraHeaders::default(), Some(&path)), Err(BuildError::Token(_))));
    std::fs::write(&path, "first\n").unwrap();
    assert!(endpoint(&ExtraHeaders::default(), Some(&path)).unwrap().token.get().is_some());
}

/// Self-signed for `localhost`, valid for a hundred years; its key is thrown away.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBlzCCAT6gAwIBAgIUS2QL7/G567Q6LNXZDT4mE6tBRp0wCgYIKoZIzj0EAwIw\n\
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTE2MjUyMVoYDzIxMjYxMTAx\n\
MTYyNTIxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n\
PQMBBwNCAAQUwcuNPrsRXK5OJtEd9bSQcOeCHQFFjyt6Vw7EljeEHEjktLzbf+F+\n\
xKfQLH4QRBeBpCtPHOJzfdyvCzaekOoxo2wwajAdBgNVHQ4EFgQUda/0KhnOwvVx\n\
QfXLKH++nMYf7OAwHwYDVR0jBBgwFoAUda/0KhnOwvVxQfXLKH++nMYf7OAwGgYD\n\
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E\n\
AwIDRwAwRAIgBewE2AyndS4g9baM833RB1vcrvu0RGd2pw/Q1krAwnACIAGM6CY5\n\
0gbNTZi/bqe8v3DErqJKXqfAEGDn9XLnrGYr\n\
-----END CERTIFICATE-----\n\
";

#[test]
fn certificates_are_added_and_anything_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        certificates(&path).map(|found| found.len())
    };
    assert_eq!(read(CERTIFICATE), Ok(1));
    assert_eq!(read(&CERTIFICATE.repeat(2)), Ok(2));
    for bad in ["", "no certificate"] {
        assert!(matches!(read(bad), Err(BuildError::File { .. })), "{bad:?}");
    }
    std::fs::write(&path, CERTIFICATE).unwrap();
    let headers = ExtraHeaders::default();
    let build = |ca_file| {
        Endpoint::build(&EndpointSettings {
            server: "Prometheus",
            url_key: "prometheus_url",
            url: Some("https://localhost:9090"),
            headers: &headers,
            token_file: None,
            ca_file: Some(ca_file),
            verify_tls: true,
        })
    };
    assert!(build(path.as_path()).is_ok());
    assert!(matches!(build(Path::new("/nonexistent/ca.pem")), Err(BuildError::File { .. })));
}
