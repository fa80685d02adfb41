//! One row per class of investigation §8.2 and per known weakness of earlier rules.

use super::{text, untagged};

fn check(rows: &[(&str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(input, expected)| untagged(&text(input)) != *expected)
        .map(|(input, expected)| format!("{input}\n  expected {expected}\n  got      {}", untagged(&text(input))))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn assignments() {
    check(&[
        ("password=hunter2", "password=[R]"),
        ("password: hunter2", "password: [R]"),
        ("passwd: 12345", "passwd: [R]"),
        ("Uid=app;Pwd=hunter2;Server=db", "Uid=app;Pwd=[R];Server=db"),
        ("DB_PASSWORD=hunter2", "DB_PASSWORD=[R]"),
        ("DB_PASSWORD=x", "DB_PASSWORD=[R]"),
        ("export DB_PASSWORD='two words'", "export DB_PASSWORD='[R]'"),
        ("password = \"two words\" user=app", "password = \"[R]\" user=app"),
        ("password: correct horse battery", "password: [R]"),
        ("DB_PASSWORD=correct horse battery", "DB_PASSWORD=[R]"),
        ("level=info token=abc123 user=app", "level=info token=[R] user=app"),
        ("  apiKey: abc123def # rotate", "  apiKey: [R] # rotate"),
        ("api_key=abc123, api-key: abc124; apikey := abc125", "api_key=[R], api-key: [R]; apikey := [R]"),
        ("API key: abc123def", "API key: [R]"),
        ("access_token=abc123&scope=all", "access_token=[R]&scope=all"),
        ("access-token: abc123", "access-token: [R]"),
        ("client_secret=abc123 secret: s3cr3t", "client_secret=[R] secret: [R]"),
        ("credentials: abc123 credential=def456", "credentials: [R] credential=[R]"),
        ("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_ACCESS_KEY_ID=[R]_AWS_KEY"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=[R]"),
        ("aws_secret_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_key = [R]"),
        ("username: YWRtaW5AZXhhbXBsZQ==", "username: [R]"),
        ("key: c2VjcmV0MTIz", "key: [R]"),
        ("(password=hunter2)", "(password=[R])"),
        ("DB_PASSWORD=pa\"ss'word", "DB_PASSWORD=[R]"),
        ("run \"app --password=hunter2\" now", "run \"app --password=[R]\" now"),
        ("JWT_SECRET=some long phrase here", "JWT_SECRET=[R]"),
        ("      API_KEY:       abc def", "      API_KEY:       [R]"),
        ("Environment=\"DB_PASSWORD=two words\"", "Environment=\"DB_PASSWORD=[R]\""),
        ("PASSWORD=abc ./run.sh --flag", "PASSWORD=[R] ./run.sh --flag"),
        ("<add key=\"ApiKey\" value=\"hunter2\"/>", "<add key=\"ApiKey\" value=\"[R]\"/>"),
        ("password{A \"password\": \"two words\"", "password{A \"password\": \"[R]\""),
        ("{password:hunter2}", "{password:[R]}"),
        ("url?password=hunter2&user=app", "url?password=[R]&user=app"),
        ("User app password: hunter2 rejected", "User app password: [R] rejected"),
        ("{'password': u'two words', 'user': 'app'}", "{'password': u'[R]', 'user': 'app'}"),
        ("password: b'two words'", "password: b'[R]'"),
        ("<password>hunter2</password>", "<password>[R]</password>"),
        ("SECRET_KEY=my-lower-words", "SECRET_KEY=[R]"),
        ("password=${DB_PASSWORD:-hunter2}", "password=[R]"),
        ("EnvVar{Name:DB_PASSWORD,Value:hunter2,ValueFrom:nil,}", "EnvVar{Name:DB_PASSWORD,Value:[R],ValueFrom:nil,}"),
        (
            "AccountName=shop;AccountKey=abcDEF123==;EndpointSuffix=x",
            "AccountName=shop;AccountKey=[R];EndpointSuffix=x",
        ),
    ]);
}

#[test]
fn separators_stay() {
    for separator in ["=", " = ", ": ", ":", ":=", " => ", "=="] {
        check(&[(&format!("my_password{separator}hunter2"), &format!("my_password{separator}[R]"))]);
    }
}

#[test]
fn command_lines() {
    check(&[
        ("app --password=hunter2 --user=app", "app --password=[R] --user=app"),
        ("app --token abc123 --verbose", "app --token [R] --verbose"),
        ("app --db-password 'two words'", "app --db-password '[R]'"),
        ("mysql -uroot -phunter2 shop", "mysql -uroot -p[R] shop"),
        ("mysqldump -u root -p'two words' shop", "mysqldump -u root -p'[R]' shop"),
        ("mongosh -u app -p hunter2 --host db", "mongosh -u app -p [R] --host db"),
        ("redis-cli -h cache -a hunter2 ping", "redis-cli -h cache -a [R] ping"),
        ("docker login -u app -p hunter2 registry", "docker login -u app -p [R] registry"),
        ("sshpass -p hunter2 ssh host", "sshpass -p [R] ssh host"),
        ("curl -u app:hunter2 http://host", "curl -u app:[R] http://host"),
        (r#"command: ["sh", "-phunter2"]"#, r#"command: ["sh", "-p[R]"]"#),
        (r#"["--password", "hunter2", "--port", "80"]"#, r#"["--password", "[R]", "--port", "80"]"#),
        (r#"["mysql", "-pabc", "-P", "3306"]"#, r#"["mysql", "-p[R]", "-P", "3306"]"#),
        ("- --token\n- abc123\n- --port\n- 8080", "- --token\n- \"[R]\"\n- --port\n- 8080"),
        (
            "kubectl create secret generic x --from-literal=password=hunter2",
            "kubectl create secret generic x --from-literal=password=[R]",
        ),
        ("ALTER USER app IDENTIFIED BY 'two words';", "ALTER USER app IDENTIFIED BY '[R]';"),
        ("requirepass hunter2", "requirepass [R]"),
    ]);
}

#[test]
fn headers_and_addresses() {
    check(&[
        ("Authorization: Bearer abc123.def", "Authorization: Bearer [R]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [R]"),
        ("Authorization: Digest username=\"a\", response=\"b1\"", "Authorization: Digest [R]"),
        ("curl -H \"Authorization: token abc123\" http://x", "curl -H \"Authorization: token [R]\" http://x"),
        ("authorization: abc123", "authorization: [R]"),
        (r#"{"Authorization":"Basic dXNlcjpwYXNz"}"#, r#"{"Authorization":"Basic [R]"}"#),
        ("sent Bearer abc123def to api", "sent Bearer [R] to api"),
        ("sent Basic dXNlcjpwYXNz to api", "sent Basic [R] to api"),
        ("postgresql://app:hunter2@db:5432/shop", "postgresql://app:[R]@db:5432/shop"),
        ("mysql://app:p@ss@db/shop", "mysql://app:[R]@db/shop"),
        ("mongodb+srv://app:hunter2@db/shop", "mongodb+srv://app:[R]@db/shop"),
        ("redis://:hunter2@cache:6379/0", "redis://:[R]@cache:6379/0"),
        ("https://app:hunter2@host/path", "https://app:[R]@host/path"),
        ("mysql://app:p@ss/w0rd@db/shop", "mysql://app:[R]@db/shop"),
        (
            "parse \"postgres://app:abc/def@db/x\": invalid port \":abc\" after host",
            "parse \"postgres://app:[R]@db/x\": invalid port \":[R]\" after host",
        ),
        ("Set-Cookie: session=abc; HttpOnly", "Set-Cookie: [R]"),
        ("GET /x?X-Amz-Signature=fe5f80f77d5fa3beca038a24&y=1", "GET /x?X-Amz-Signature=[R]&y=1"),
        ("app:hunter2@tcp(db:3306)/shop", "app:[R]@tcp(db:3306)/shop"),
    ]);
}

#[test]
fn tokens_that_show_by_their_form() {
    let mixed = "a1B2c3D4e5".repeat(4);
    let lower = "0a1b2c3d4e".repeat(8);
    let jwt = format!("eyJ{mixed}.eyJ{mixed}.{mixed}");
    for (token, shown) in [
        (format!("sk-{mixed}"), "[R]"),
        (format!("sk-ant-api03-{mixed}"), "[R]"),
        (jwt, "[R]_JWT"),
        (format!("ghp_{mixed}"), "[R]_GITHUB_TOKEN"),
        (format!("gho_{mixed}"), "[R]_GITHUB_TOKEN"),
        (format!("ghs_{mixed}"), "[R]_GITHUB_TOKEN"),
        (format!("ghu_{mixed}"), "[R]_GITHUB_TOKEN"),
        (format!("ghr_{mixed}"), "[R]_GITHUB_TOKEN"),
        (format!("github_pat_{mixed}"), "[R]_GITHUB_TOKEN"),
        ("AKIAIOSFODNN7EXAMPLE".to_owned(), "[R]_AWS_KEY"),
        ("ASIAIOSFODNN7EXAMPLE".to_owned(), "[R]_AWS_KEY"),
        (format!("xoxb-{mixed}"), "[R]"),
        (format!("xoxp-1-{mixed}"), "[R]"),
        (format!("glpat-{mixed}"), "[R]"),
        (format!("npm_{mixed}"), "[R]"),
        (format!("AIza{}", "a1B2c3D".repeat(5)), "[R]"),
        (format!("ya29.{mixed}"), "[R]"),
        (format!("hf_{mixed}"), "[R]"),
        (format!("dop_v1_{lower}"), "[R]"),
        (format!("hvs.{mixed}"), "[R]"),
        (format!("https://x.blob/y?sv=1&sig={mixed}%3D"), "https://x.blob/y?sv=1&sig=[R]"),
        (format!("https://hooks.slack.com/services/T0/B0/{mixed}"), "https://hooks.slack.com/services/[R]"),
        (format!("https://discord.com/api/webhooks/1234567/{mixed}"), "https://discord.com/api/webhooks/[R]"),
        (format!("$2y$10${mixed}"), "[R]"),
    ] {
        check(&[
            (&token, shown),
            (&format!("got {token} from app"), &format!("got {shown} from app")),
            (&format!("{{\"msg\":\"{token}\"}}"), &format!("{{\"msg\":\"{shown}\"}}")),
            (&format!("got=\"{token}\" x"), &format!("got=\"{shown}\" x")),
        ]);
    }
}

const KEY_BODY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIqjZLO5Bimsdu53R\n/Hv1RvhUUFQ3AwFrFE7RKPSDutmhRANCAAT2K52tdKdMnqGCgm5v1mmZnYbP8/0x";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBxTCCAWugAwIBAgIUaT4wJZR/VArVNBcVqVH7j/NQwwkwCgYIKoZIzj0EAwIw
JjENMAsGA1UECgwEU2hvcDEVMBMGA1UEAwwMYXBwLnNob3Auc3ZjMB4XDTI2MTEy
NTE2Mjg0MFoXDTM2MTEyMjE2Mjg0MFowJjENMAsGA1UECgwEU2hvcDEVMBMGA1UE
AwwMYXBwLnNob3Auc3ZjMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9iudrXSn
TJ6hgoJub9ZpmZ2Gz/P9Mcp9pSiCoa5TAxlCANihTfz8bDhGa+zAzjKN+PCAekw1
UfOS9V0kopplEKN3MHUwHQYDVR0OBBYEFNVOnIfg1X/lxXMgMtSaTp4ozKvDMB8G
A1UdIwQYMBaAFNVOnIfg1X/lxXMgMtSaTp4ozKvDMA8GA1UdEwEB/wQFMAMBAf8w
IgYDVR0RBBswGYIMYXBwLnNob3Auc3ZjggNhcHCHBAoAAAEwCgYIKoZIzj0EAwID
SAAwRQIhAJvD3RJ1xCF25QauCUsn3F1vyi7bmrgbuRWxVkURl8QJAiBAcISzGn/b
ZDupi1olZCvn0QXvODNI+roM4a4pfVpDGg==
-----END CERTIFICATE-----";
const SUMMARY: &str = "[CERTIFICATE subject=CN=app.shop.svc,O=Shop; issuer=CN=app.shop.svc,O=Shop; \
    serial=693e3025947f540ad5341715a951fb8ff350c309; not_before=2026-11-25T16:28:40Z; not_after=2036-11-22T16:28:40Z; \
    names=app.shop.svc,app,10.0.0.1]";

#[test]
fn private_keys_go_whatever_their_label() {
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let key = format!("-----BEGIN {label}-----\n{KEY_BODY}\n-----END {label}-----");
        let one_line = key.replace('\n', "\\n");
        let indented = key.replace('\n', "\n    ");
        check(&[
            (&format!("a\n{key}\nb"), "a\n[R]\nb"),
            (&format!("a {one_line} b"), "a [R] b"),
            (&format!("{{\"pem\":\"{one_line}\",\"x\":1}}"), "{\"pem\":\"[R]\",\"x\":1}"),
            (&format!("pem: |\n    {indented}\nx: 1"), "pem: |\n    [R]\nx: 1"),
            (&format!("tls.key: |\n    {indented}\nx: 1"), "tls.key: \"[R]\"\nx: 1"),
        ]);
    }
}

#[test]
fn cut_private_keys_go_as_far_as_they_reach() {
    check(&[
        (&format!("a\n-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}"), "a\n[R]"),
        (
            &format!(
                "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-256-CBC,00FF\n\n{KEY_BODY}\n2026-01-01 started: ok"
            ),
            "[R]\n2026-01-01 started: ok",
        ),
        (&format!("x: y\n{KEY_BODY}\n-----END RSA PRIVATE KEY-----\nb"), "x: y\n[R]\nb"),
    ]);
}

#[test]
fn certificates_shrink_to_a_line() {
    check(&[
        (CERTIFICATE, SUMMARY),
        (&format!("ca:\n{CERTIFICATE}\n{CERTIFICATE}\nend"), &format!("ca:\n{SUMMARY}\n{SUMMARY}\nend")),
        (&format!("crt: \"{}\"", CERTIFICATE.replace('\n', "\\n")), &format!("crt: \"{SUMMARY}\"")),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "[CERTIFICATE unreadable]"),
    ]);
}

#[test]
fn certificates_in_secrets_shrink_and_keys_beside_them_go() {
    use base64ct::{Base64, Encoding as _};
    let certificate = Base64::encode_string(format!("{CERTIFICATE}\n").as_bytes());
    let both = Base64::encode_string(
        format!("{CERTIFICATE}\n-----BEGIN PRIVATE KEY-----\n{KEY_BODY}\n-----END PRIVATE KEY-----\n").as_bytes(),
    );
    check(&[
        (
            &format!(r#"{{"kind":"Secret","data":{{"tls.crt":"{certificate}","tls.key":"a2V5"}}}}"#),
            &format!(r#"{{"kind":"Secret","data":{{"tls.crt":"{SUMMARY}","tls.key":"[R]"}}}}"#),
        ),
        (
            &format!("kind: Secret\ndata:\n  tls.crt: {certificate}\n  tls.key: a2V5\n"),
            &format!("kind: Secret\ndata:\n  tls.crt: \"{SUMMARY}\"\n  tls.key: \"[R]\"\n"),
        ),
        (
            &format!(r#"{{"kind":"Secret","data":{{"tls.crt":"{both}"}}}}"#),
            r#"{"kind":"Secret","data":{"tls.crt":"[R]"}}"#,
        ),
    ]);
}
