//! What diagnosis lives on and earlier rules destroyed.

use super::text;

#[test]
fn benign_text_stays_as_it_is() {
    let wrong: Vec<String> = BENIGN
        .iter()
        .filter(|input| text(input) != **input)
        .map(|input| format!("{input}\n  became {}", text(input)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn benign_text_stays_inside_of_json_and_logs() {
    for input in BENIGN.iter().filter(|input| !input.contains('\n')) {
        let json = serde_json::json!({ "message": input, "list": [input] }).to_string();
        assert_eq!(text(&json), json);
        let log = format!("2026-01-01T00:00:00Z INFO app: {input}");
        assert_eq!(text(&log), log);
    }
}

const BENIGN: &[&str] = &[
    // Words with `sk-` inside.
    "disk-type=ssd risk-v1 task-runner-7d9f8b6c5d-x2v4q disk-pressure",
    "pod/sk-learn-pipeline-worker-7d9f8b6c5d-abcde evicted",
    // Addresses, digests, ids.
    "10.0.0.1:5432 fe80::1 2001:db8::8a2e:370:7334 user@example.com",
    "docker-pullable://host:5000/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "registry.local:5000/team/auth:v1.2.3 ghcr.io/acme/secret:2024 quay.io/x/vault-token:1.0",
    "image: registry.local/token-service:1.2.3",
    "550e8400-e29b-41d4-a716-446655440000",
    "http://host:8080/path?to=user@example.com",
    "http://host:8080?to=user@example.com",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
    // Names that only sound like credentials.
    "KEYSPACE=shop KEYBOARD=us MONKEY=7 AUTHOR=ann AUTHORITY=ca",
    "PWD=/app OLDPWD=/ HOME=/root",
    "max_tokens=4096 token_count: 12 tokens: 7",
    "topologyKey: kubernetes.io/hostname",
    "key: app.kubernetes.io/name",
    "key: password",
    // Kubernetes fields.
    "secretName: db-creds",
    "secretKeyRef:\n  name: db-creds\n  key: password",
    r#"{"secretKeyRef":{"name":"db-creds","key":"password"}}"#,
    r#"{"imagePullSecrets":[{"name":"regcred"}]}"#,
    "imagePullSecrets:\n- name: regcred",
    "tokenExpirationSeconds: 3600",
    "automountServiceAccountToken: true",
    "- serviceAccountToken:\n    expirationSeconds: 3607\n    path: token",
    "type: bootstrap.kubernetes.io/token",
    "type: kubernetes.io/service-account-token",
    "bootstrap-token-abcdef",
    "passwordSecretRef: db-creds",
    "passwordSecretRef:\n  name: db-creds\n  key: password",
    "existingSecret: db-creds",
    "existingSecretPasswordKey: db-password",
    "secret:\n  secretName: db-creds\n  optional: false",
    r#"{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db-creds","key":"password"}}}"#,
    "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db-creds\n      key: password",
    "DB_PASSWORD:  <set to the key 'password' in secret 'db-creds'>  Optional: false",
    "DB_PASSWORD=$(DB_PASSWORD) TOKEN=${TOKEN} url=postgres://app:$(DB_PASSWORD)@db/shop",
    "DB_PASSWORD= ",
    "DB_PASSWORD=\nNEXT=1",
    r#"{"name":"DB_PASSWORD","value":""}"#,
    "    Type:        Secret (a volume populated by a Secret)\n    SecretName:  db-creds\n    Optional:    false",
    "Data\n====\npassword:  8 bytes\ntoken:     1024 bytes",
    "Image pull secrets:  regcred\nMountable secrets:   builder-token-7x2kp\nTokens:              builder-token-7x2kp",
    "resources: [\"secrets\", \"configmaps\"]",
    "checksum/secret: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "vault.hashicorp.com/agent-inject-secret-config: secret/data/app",
    "URL=postgres://host:5432/db?contact=a@b.c",
    "export TOKEN=$(cat /var/run/secrets/token)",
    // Messages about credentials.
    "Error: Access denied for user 'app'@'10.0.0.1' (using password: YES)",
    "unable to retrieve token: error=401 body={\"error\":\"invalid_client\"}",
    "invalid cookie: missing",
    "parse \"postgres://db:54x/\": no such host, invalid port \":70000\" after host",
    "password authentication failed for user \"app\"",
    "FATAL:  password authentication failed for user \"app\"",
    "pq: password: pq: password authentication failed",
    "secret \"db-creds\" not found",
    "couldn't find key password in Secret shop/db",
    "MountVolume.SetUp failed for volume \"creds\" : secret \"db-creds\" not found",
    "references non-existent secret key: tls.key",
    "token expired",
    "invalid token: signature mismatch",
    "invalid bearer token, token lookup failed: token is expired",
    "error validating token: expired",
    "failed to fetch token: Post \"https://login.example.com/token\": context deadline exceeded",
    "failed to get credentials: NoCredentialProviders: no valid providers in chain",
    "error: secret: Get \"https://10.0.0.1/api/v1/namespaces/shop/secrets/x\": dial tcp: i/o timeout",
    "unable to load private key: open /etc/tls/tls.key: no such file or directory",
    "open /etc/tls/tls.key: permission denied",
    "Error: password: must not be empty",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOAUTH Authentication required.",
    "Bearer authentication required",
    "WWW-Authenticate: Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"",
    "authorization: failed for user app",
    "basic checks passed",
    "Secret=\"shop/db-creds\" controller=\"secret\" msg=\"Reconciling\" secret=\"shop/db-creds-7x2kp\"",
    "use --password to set the password",
    "--token <token>",
    "--authorization-mode=Node,RBAC --token-auth-file=/etc/tokens.csv",
    "GOOGLE_APPLICATION_CREDENTIALS=/var/secrets/google/key.json",
    "tls_key_path: /etc/tls/tls.key private_key: /etc/tls/tls.key",
    "kubectl get secret db-creds -n shop",
    "docker run -p 8080:80 app",
    "psql -h db -p 5432 -U app",
    "mkdir -p /data/app",
    "[\"kubectl\",\"port-forward\",\"-p\",\"8080\"]",
    "auth: ldap",
    "auth=none",
    "--- PASS: TestLogin (0.00s)",
    "x509: certificate signed by unknown authority",
    "password=******** token=[REDACTED]",
    "env:\n- name: KEYSPACE\n  value: shop\n- name: LOG_LEVEL\n  value: debug",
    "kind: ConfigMap\ndata:\n  app.conf: |\n    level = debug\n  url: http://app:8080",
    "involvedObject:\n  kind: Secret\n  name: db-creds\nmessage: not found",
    r#"{"kind":"ConfigMap","data":{"level":"debug","enabled":"dHJ1ZQ=="}}"#,
    r#"{"kind":"Secret","metadata":{"name":"db-creds","annotations":{"team":"shop"}},"type":"Opaque","data":{"empty":""}}"#,
    "",
    "\n\n",
    "{",
    "\"",
    "[[\"",
];
