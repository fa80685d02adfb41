//! How calls prove who makes them: tokens of gateways and clouds, headers, rotation, and that nothing of it is shown.

use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use holmesgpt_api::llm::{ErrorKind, Llm, ModelPhase, Seat};
use serde_json::{Value, json};

use super::replies::fine;
use super::{ask, build, environment, seat, section};
use crate::stubs::provider::{Answer, Asked, Provider};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn token(text: &str) -> Answer {
    Answer::json(&json!({"access_token": text, "expires_in": 3600, "token_type": "Bearer"}))
}

/// A model that takes one bearer only.
async fn model_for(bearer: Arc<Mutex<String>>) -> Provider {
    Provider::start(move |asked, _| {
        let expected = format!("Bearer {}", bearer.lock().unwrap());
        if asked.header("authorization") == expected { fine(asked) } else { Answer::text(401, "no") }
    })
    .await
}

#[tokio::test]
async fn a_gateways_token_is_fetched_once_for_all_and_again_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "client-id", "id\n");
    write(folder.path(), "client-secret", "first secret/+&\n");
    let issuer = Provider::start(|asked, number| match asked.field("client_secret").as_str() {
        "first secret/+&" | "second" => token(&format!("token-{number}")),
        _ => Answer::text(401, "no"),
    })
    .await;
    let bearer = Arc::new(Mutex::new("token-0".to_owned()));
    let model = model_for(Arc::clone(&bearer)).await;
    let oauth2 =
        json!({"enabled": true, "token_url": issuer.address, "scopes": ["a", "b"], "credentials_dir": folder.path()});
    let seat = seat(json!({"provider": "openai", "endpoint": model.address, "oauth2": oauth2}), &[]);
    let answers = futures_util::future::join_all((0..5).map(|_| ask(&seat))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(issuer.count(), 1);
    let asked = &issuer.asked()[0];
    assert_eq!((asked.field("grant_type").as_str(), asked.field("scope").as_str()), ("client_credentials", "a b"));
    // The gateway rotates: the token is dropped and one attempt made with another, from the secret as it is now.
    write(folder.path(), "client-secret", "second");
    *bearer.lock().unwrap() = "token-1".to_owned();
    assert!(ask(&seat).await.is_ok());
    assert_eq!((issuer.count(), model.count()), (2, 7));
    *bearer.lock().unwrap() = "nobody".to_owned();
    let error = ask(&seat).await.unwrap_err();
    assert_eq!((error.kind, issuer.count(), model.count()), (ErrorKind::Auth, 3, 9));
    assert!(!format!("{error} {seat:?}").contains("token-"));
}

#[tokio::test]
async fn the_operators_headers_are_sent_and_read_again_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "tenant", "blue\n");
    let model = Provider::start(|asked, _| fine(asked)).await;
    let headers = json!([{"name": "X-Plain", "value": "p"}, {"name": "X-Secret", "secret_key_ref": "GATEWAY"},
                         {"name": "X-Tenant", "file_path": file}]);
    let members = json!({"provider": "openai_compatible", "endpoint": model.address, "custom_headers": headers});
    let llm = build(members, &[("GATEWAY", "hush")]).unwrap();
    let seat = llm.seat(ModelPhase::Rca);
    ask(&seat).await.unwrap();
    write(folder.path(), "tenant", "green");
    ask(&seat).await.unwrap();
    let sent = |asked: &Asked| ["x-plain", "x-secret", "x-tenant"].map(|name| asked.header(name).to_owned());
    let sent: Vec<[String; 3]> = model.asked().iter().map(sent).collect();
    assert_eq!(sent, [["p", "hush", "blue"], ["p", "hush", "green"]]);
    assert!(!format!("{llm:?}").contains("hush"));
}

/// What is refused at start, and the words for the operator. No secret is among them.
#[test]
fn credentials_that_cannot_work_are_named() {
    let header = |header: Value| json!({"provider": "mock", "endpoint": "http://x", "custom_headers": [header]});
    let two = json!([{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}]);
    let oauth2 = |oauth2: Value| json!({"endpoint": "http://x", "oauth2": oauth2});
    for (members, words) in [
        (json!({}), "provider `openai` at its own endpoint needs a key: set llm.api_key_file to a file that holds it"),
        (json!({"provider": "anthropic"}), "ANTHROPIC_API_KEY"),
        (json!({"provider": "azure", "endpoint": "http://x"}), "AZURE_API_KEY"),
        (json!({"provider": "gemini"}), "GEMINI_API_KEY"),
        (json!({"api_key": "sk-secret with blanks"}), "exactly one key"),
        (json!({"api_key_file": "/nonexistent/key"}), "llm.api_key_file /nonexistent/key"),
        (header(json!({"name": "Host", "value": "sk-secret"})), "is set by the service itself"),
        (header(json!({"name": "X-A", "value": "sk-secret", "file_path": "/x"})), "exactly one of"),
        (header(json!({"name": "X-A", "secret_key_ref": "NOT_THERE"})), "NOT_THERE"),
        (header(json!({"name": "X A", "value": "sk-secret"})), "is no header name"),
        (header(json!({"name": "X-A", "value": "sk-secret\n"})), "cannot be sent"),
        (json!({"provider": "mock", "endpoint": "http://x", "custom_headers": two}), "given twice"),
        (oauth2(json!({"enabled": true, "credentials_dir": "/x"})), "llm.oauth2.token_url"),
        (oauth2(json!({"enabled": true, "token_url": "http://x"})), "llm.oauth2.credentials_dir"),
        (json!({"provider": "mock", "endpoint": "http://x", "tls_cert_file": "/x"}), "belong together"),
        (json!({"provider": "mock", "endpoint": "http://x", "tls_ca_file": "/nonexistent/ca"}), "/nonexistent/ca"),
        (json!({"provider": "mock", "endpoint": "http://x", "fallbacks": [{}]}), "llm.fallbacks[0] sets nothing"),
        (
            json!({"provider": "mock", "endpoint": "http://x", "fallbacks": [{"provider": "anthropic"}]}),
            "llm.fallbacks[0]: provider `anthropic`",
        ),
        (
            json!({"provider": "mock", "endpoint": "http://x", "phase_models": {"rca": {"temperature": 3.0}}}),
            "llm.phase_models.rca: llm.temperature",
        ),
        (
            json!({"provider": "mock", "endpoint": "http://x", "circuit_breaker": {"failure_ratio": 0.0}}),
            "failure_ratio",
        ),
        (json!({"provider": "anthropic", "reasoning": {"enabled": true, "effort": "none"}}), "llm.reasoning.effort"),
    ] {
        let error = build(members.clone(), &[]).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("sk-secret"), "{members}: {error}");
    }
    let config = section(json!({"api_key": "sk-secret", "custom_headers": [{"name": "x", "value": "sk-secret"}]}));
    assert!(!format!("{config:?}").contains("sk-secret"));
}

fn pem(der: &[u8]) -> String {
    let body = Base64::encode_string(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn vertex(endpoint: &str, variables: &[(&str, &str)], directory: &Path) -> Seat {
    let members = json!({"provider": "vertex_ai", "model": "claude-x", "gcp_region": "europe-west1", "endpoint": endpoint,
                         "gcp_project_id": "p"});
    Llm::build_in(&section(members), &environment(variables, directory)).unwrap().seat(ModelPhase::Rca)
}

#[tokio::test]
async fn a_service_account_of_google_signs_what_it_states() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = key.public_key().as_ref().to_vec();
    let statement_holds = move |asked: &Asked| {
        let assertion = asked.field("assertion");
        let (text, signature) = assertion.rsplit_once('.').unwrap();
        let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        key.verify(text.as_bytes(), &signature).unwrap();
        let part = |at: usize| -> Value {
            let part = text.split('.').nth(at).unwrap();
            serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        assert_eq!((&header["alg"], &header["kid"]), (&json!("RS256"), &json!("k1")));
        assert_eq!(claims["iss"], "robot@p.iam.gserviceaccount.com");
        assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
        assert!(claims["aud"].as_str().unwrap().starts_with("http://127.0.0.1"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    };
    let issuer = Provider::start(move |asked, _| {
        statement_holds(asked);
        assert_eq!(asked.field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        token("google-token")
    })
    .await;
    let model = model_for(Arc::new(Mutex::new("google-token".into()))).await;
    let folder = tempfile::tempdir().unwrap();
    let der = key.as_der().unwrap();
    let file = json!({"type": "service_account", "client_email": "robot@p.iam.gserviceaccount.com", "private_key_id": "k1",
                      "private_key": pem(der.as_ref()), "token_uri": issuer.address, "project_id": "p"});
    let path = write(folder.path(), "key.json", &file.to_string());
    let seat = vertex(&model.address, &[("GOOGLE_APPLICATION_CREDENTIALS", &path)], Path::new("/nonexistent"));
    ask(&seat).await.unwrap();
    ask(&seat).await.unwrap();
    assert_eq!(issuer.count(), 1);
    let path = &model.asked()[0].path;
    assert_eq!(path, "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-x:streamRawPredict");
}

#[tokio::test]
async fn every_other_identity_google_knows() {
    let issuer = Provider::start(|asked, _| {
        let grant = asked.field("grant_type");
        match (asked.path.as_str(), grant.as_str()) {
            ("/token", "refresh_token") => token(&format!("of-{}", asked.field("refresh_token"))),
            ("/sts", "urn:ietf:params:oauth:grant-type:token-exchange") => {
                token(&format!("federated-{}", asked.field("subject_token")))
            }
            ("/impersonate", _) if asked.header("authorization") == "Bearer federated-pod" => {
                Answer::json(&json!({"accessToken": "impersonated", "expireTime": "2030-01-01T00:00:00Z"}))
            }
            ("/computeMetadata/v1/instance/service-accounts/default/token", _)
                if asked.header("metadata-flavor") == "Google" =>
            {
                token("of-machine")
            }
            _ => Answer::text(400, "no"),
        }
    })
    .await;
    let at = |path: &str| format!("{}{path}", issuer.address);
    let folder = tempfile::tempdir().unwrap();
    let subject = write(folder.path(), "subject.json", r#"{"token": "pod"}"#);
    let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "user", "token_uri": at("/token")});
    let federated = json!({"type": "external_account", "audience": "//iam", "subject_token_type": "jwt", "token_url": at("/sts"),
        "credential_source": {"file": subject, "format": {"type": "json", "subject_token_field_name": "token"}}});
    let mut acting = federated.clone();
    acting["service_account_impersonation_url"] = at("/impersonate").into();
    let host = issuer.address.strip_prefix("http://").unwrap().to_owned();
    for (file, bearer) in [
        (Some(user), "of-user"),
        (Some(federated), "federated-pod"),
        (Some(acting), "impersonated"),
        (None, "of-machine"),
    ] {
        let model = model_for(Arc::new(Mutex::new(bearer.into()))).await;
        let directory = tempfile::tempdir().unwrap();
        if let Some(file) = file {
            write(directory.path(), "application_default_credentials.json", &file.to_string());
        }
        let seat = vertex(&model.address, &[("GCE_METADATA_HOST", &host)], directory.path());
        ask(&seat).await.unwrap_or_else(|error| panic!("{bearer}: {error}"));
    }
}

#[tokio::test]
async fn a_credential_file_may_name_another_one_beside_it_only() {
    let model = Provider::start(|asked, _| fine(asked)).await;
    let directory = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = write(outside.path(), "adc.json", "{\"type\": \"sk-secret\"}");
    let inside = write(directory.path(), "adc.json", "{\"type\": \"sk-secret\"}");
    for (named, words) in [
        (elsewhere.as_str(), "names no file of its own folder"),
        ("adc.json", "names no file of its own folder"),
        (inside.as_str(), "no JSON object of type"),
    ] {
        write(directory.path(), "GOOGLE_APPLICATION_CREDENTIALS", named);
        let error = ask(&vertex(&model.address, &[], directory.path())).await.unwrap_err();
        assert!(error.kind == ErrorKind::Auth && error.sentence.contains(words), "{named}: {error}");
        assert!(!error.sentence.contains("sk-secret"));
    }
    assert_eq!(model.count(), 0);
}

/// Which key and which session token the model's request was signed with.
async fn signed_by(variables: &[(&str, &str)]) -> (String, String) {
    let model = Provider::start(|asked, _| fine(asked)).await;
    let members = json!({"provider": "bedrock", "aws_region": "eu-west-1", "endpoint": model.address});
    ask(&seat(members, variables)).await.unwrap_or_else(|error| panic!("{variables:?}: {error}"));
    let asked = &model.asked()[0];
    let header = asked.header("authorization").to_owned();
    assert!(header.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date"), "{header}");
    let key = header.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (key, asked.header("x-amz-security-token").to_owned())
}

#[tokio::test]
async fn amazons_chain_of_credentials() {
    let granted = json!({"AccessKeyId": "GRANTED", "SecretAccessKey": "s", "Token": "session", "Expiration": "2030-01-01T00:00:00Z"});
    let clouds = Provider::start(move |asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/sts") if asked.field("WebIdentityToken") == "pod-token" && asked.field("RoleArn") == "arn:role" => {
            Answer::text(200, "<R><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                <SessionToken>web-session</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></R>")
        }
        ("GET", "/pod") if asked.header("authorization") == "pod-token" => Answer::json(&granted),
        ("PUT", "/latest/api/token") => Answer::text(200, "imds-token"),
        ("GET", path) if asked.header("x-aws-ec2-metadata-token") == "imds-token" => match path {
            "/latest/meta-data/iam/security-credentials/" => Answer::text(200, "role\n"),
            "/latest/meta-data/iam/security-credentials/role" => Answer::json(&granted),
            _ => Answer::text(404, ""),
        },
        _ => Answer::text(403, ""),
    })
    .await;
    let at = |path: &str| format!("{}{path}", clouds.address);
    let folder = tempfile::tempdir().unwrap();
    let pod_token = write(folder.path(), "token", "pod-token\n");
    let credentials = write(
        folder.path(),
        "credentials",
        "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\n",
    );
    let (sts, pod, imds) = (at("/sts"), at("/pod"), at("/"));
    let own = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", pod_token.as_str()),
        ("AWS_ROLE_ARN", "arn:role"),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    let profile = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str())];
    let container =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", pod.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &pod_token)];
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.as_str())];
    let after = |parts: &[&[(&'static str, &str)]]| {
        parts.concat().iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    for (variables, key, session) in [
        (after(&[&own, &web, &profile]), "ENV", "t"),
        (after(&[&web, &profile]), "WEB", "web-session"),
        (after(&[&profile, &container]), "PROFILE", ""),
        (after(&[&profile, &[("AWS_PROFILE", "other")]]), "OTHER", ""),
        (after(&[&container, &instance]), "GRANTED", "session"),
        (after(&[&instance]), "GRANTED", "session"),
    ] {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(signed_by(&variables).await, (key.to_owned(), session.to_owned()), "{variables:?}");
    }
}

#[tokio::test]
async fn a_containers_credentials_are_asked_for_at_safe_addresses_only() {
    let model = Provider::start(|asked, _| fine(asked)).await;
    let members = json!({"provider": "bedrock", "aws_region": "eu-west-1", "endpoint": model.address});
    let seat = seat(members, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/x")]);
    let error = ask(&seat).await.unwrap_err();
    assert_eq!((error.kind, model.count()), (ErrorKind::Auth, 0), "{error}");
}
