//! Which names announce a secret: `DB_PASSWORD` does, `KEYSPACE`, `passwordSecretRef` and `tokenExpirationSeconds` do not.
//!
//! A name is split into words (`apiKeyV2` is api, key, v). A credential word anywhere in the last dotted part makes it a
//! credential, unless the last word says that the value only tells *about* one: where it is, how long it lives, who
//! checks it.

use super::counts::Class;

/// Longest name looked at, in bytes: environment variables and annotation keys are shorter.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Last words of names whose value describes a credential and is none.
const ABOUT: &str = "age alg algorithm audience audiences author backend class com config controller count created dir \
    directory domain driver enabled disabled endpoint engine error errors expiration expire expired \
    expires expiry field file filename format header host hostname hours id image info interval io \
    issuer kind label len length level lifetime limit location manager max message method min minutes \
    mode mount mounts ms name names namespace net org path paths period plugin policy port prefix \
    provider proxy realm reason ref refs reference request requests required reset resource review \
    reviews role rotation scheme scope scopes seconds selector server service size skip source state \
    status store strategy suffix template time timeout timestamp tokenizer ttl type updated uri url \
    usage used user username valid version volume";

/// Words before `key` that make it the key of a map, a table or an index, or one meant for everybody.
const LOOKUP: &str = "annotation cache composite config context dedup env field foreign group hash idempotency index label \
    lookup map message metadata metric object partition primary property pub public queue range record \
    registry routing row search shard sort topology unique user";

/// Written as one word, these end in a key that is a secret.
const JOINED_KEYS: &str = "accesskey accountkey authkey encryptionkey masterkey secretkey sharedkey signingkey sshkey";

/// Written as one word, these end in `pass` and are none.
const NOT_PASS: &str = "bypass compass encompass overpass trespass underpass onepass multipass";

/// Parts without which no name announces anything.
const PARTS: [&str; 8] = ["pass", "pwd", "secret", "token", "key", "cred", "auth", "id"];

fn lists(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|listed| listed == word)
}

/// The class of secret a name announces. Environment variables, JSON members, flags, assignments.
pub(super) fn judge(name: &str) -> Option<Class> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains("checksum") {
        return None;
    }
    let name = name.rsplit('/').next().unwrap_or(name);
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if let Some(class) = by_whole_name(&joined) {
        return Some(class);
    }
    if !PARTS.iter().any(|part| joined.contains(part)) {
        return None;
    }
    let words = words(telling_part(name));
    let last = words.last()?.as_str();
    let is_approle = last == "id" && words.iter().any(|word| word == "secret");
    if lists(ABOUT, last) && !is_approle {
        return None;
    }
    by_words(&words, name)
}

/// The class of a list of secrets: `apiKeys`, `tokens`. `imagePullSecrets` and `secrets` list names.
pub(super) fn judge_list(name: &str) -> Option<Class> {
    let class = judge(name).or_else(|| judge(name.strip_suffix('s')?))?;
    matches!(class, Class::Password | Class::Token | Class::ApiKey).then_some(class)
}

/// Whether the name is that of the HTTP header, whose value begins with a scheme.
pub(super) fn is_header(name: &str) -> bool {
    ["authorization", "proxy-authorization", "proxyAuthorization"]
        .iter()
        .any(|header| name.eq_ignore_ascii_case(header))
}

fn by_whole_name(joined: &str) -> Option<Class> {
    match joined {
        "dockerconfigjson" | "dockercfg" => Some(Class::Credential),
        "generatorurl" | "generatorur" => Some(Class::GeneratorUrl),
        "authorization" | "proxyauthorization" => Some(Class::Authorization),
        "idrsa" | "ided25519" | "idecdsa" | "iddsa" | "sshprivatekey" => Some(Class::PrivateKey),
        "awsaccesskeyid" | "awsaccesskey" | "accesskeyid" => Some(Class::AwsKeyId),
        _ => None,
    }
}

/// The last dotted part, with the one before when the last alone says nothing: `db.password.value`, `tls.key`.
fn telling_part(name: &str) -> &str {
    let Some((before, last)) = name.rsplit_once('.') else { return name };
    if !["value", "plain", "plaintext", "data", "key"].contains(&last) {
        return last;
    }
    let start = before.rfind('.').map_or(0, |dot| dot + 1);
    name.get(start..).unwrap_or(name)
}

fn by_words(words: &[String], name: &str) -> Option<Class> {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let ends = |ending: &str| words.iter().any(|word| word.ends_with(ending));
    let contains = |part: &str| words.iter().any(|word| word.contains(part));
    let last = words.last().map(String::as_str).unwrap_or_default();
    if is_key(words) {
        return Some(match () {
            () if has("api") || ends("apikey") => Class::ApiKey,
            () if has("private") || ends("privatekey") => Class::PrivateKey,
            () if has("aws") => Class::AwsSecret,
            () => Class::Key,
        });
    }
    if last == "key" {
        return None;
    }
    if contains("password") || contains("passwd") || contains("passphrase") || is_short_password(words, name) {
        return Some(Class::Password);
    }
    if has("aws") && (has("secret") || has("token")) {
        return Some(Class::AwsSecret);
    }
    if contains("apikey") || (has("api") && has("key")) {
        return Some(Class::ApiKey);
    }
    if has("private") && has("key") {
        return Some(Class::PrivateKey);
    }
    if ends("token") {
        return Some(Class::Token);
    }
    if ends("secret") {
        return Some(Class::Secret);
    }
    if has("credential") || has("credentials") || has("creds") || has("cred") {
        return Some(Class::Credential);
    }
    if has("key") && words.len() > 1 {
        return Some(Class::Key);
    }
    has("auth").then_some(Class::Authorization)
}

/// Whether the name ends in a key that opens something. `key` alone is the key of a map nearly everywhere in Kubernetes.
fn is_key(words: &[String]) -> bool {
    let Some((last, before)) = words.split_last() else { return false };
    if lists(JOINED_KEYS, last) || last.ends_with("apikey") || last.ends_with("privatekey") {
        return true;
    }
    last == "key" && before.last().is_some_and(|word| !lists(LOOKUP, word))
}

/// `DB_PWD`, `dbpass`, `Pwd` (connection strings); not `PWD`, `OLDPWD`, `bypass`.
fn is_short_password(words: &[String], name: &str) -> bool {
    words.iter().any(|word| match word.as_str() {
        "pwd" => words.len() > 1 || name != "PWD",
        "pass" => true,
        word if word.ends_with("pwd") => word != "oldpwd",
        word => word.ends_with("pass") && !lists(NOT_PASS, word),
    })
}

/// Whether a name is spelled like a field of an object, `existingSecret` or `secret`, whose value is a name more often
/// than a secret.
pub(super) fn is_field_style(name: &str) -> bool {
    let is_camel = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.contains(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    is_camel && name != "clientSecret" || name.eq_ignore_ascii_case("secret")
}

/// Words in lower case: split at what is no letter or digit and at humps; digits at the end of a word fall off.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = name.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
        let is_hump = character.is_ascii_uppercase()
            && (previous.is_ascii_lowercase()
                || previous.is_ascii_digit()
                || (previous.is_ascii_uppercase() && next_is_lower));
        if !character.is_ascii_alphanumeric() || is_hump {
            finish(&mut word, &mut words);
        }
        if character.is_ascii_alphanumeric() {
            word.push(character.to_ascii_lowercase());
        }
        previous = character;
    }
    finish(&mut word, &mut words);
    words
}

fn finish(word: &mut String, words: &mut Vec<String>) {
    let kept = word.trim_end_matches(|c: char| c.is_ascii_digit());
    if !kept.is_empty() {
        words.push(kept.to_owned());
    }
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_announce_a_secret() {
        for (name, class) in [
            ("password", Class::Password),
            ("DB_PASSWORD", Class::Password),
            ("PGPASSWORD", Class::Password),
            ("spring.datasource.password", Class::Password),
            ("dbPasswd2", Class::Password),
            ("SMTP_PASS", Class::Password),
            ("Pwd", Class::Password),
            ("MYSQL_PWD", Class::Password),
            ("ssh-passphrase", Class::Password),
            ("passwordHash", Class::Password),
            ("API_KEY", Class::ApiKey),
            ("x-api-key", Class::ApiKey),
            ("openaiApikey", Class::ApiKey),
            ("APIKey", Class::ApiKey),
            ("access_token", Class::Token),
            ("accesstoken", Class::Token),
            ("TOKEN_GITHUB", Class::Token),
            ("id-token", Class::Token),
            ("client_secret", Class::Secret),
            ("SECRET_KEY_BASE", Class::Secret),
            ("secret_id", Class::Secret),
            ("DJANGO_SECRET_KEY", Class::Key),
            ("ENCRYPTION_KEY", Class::Key),
            ("client-key-data", Class::Key),
            ("tls.key", Class::Key),
            ("private_key", Class::PrivateKey),
            ("ssh-privatekey", Class::PrivateKey),
            ("id_rsa", Class::PrivateKey),
            ("AWS_SECRET_ACCESS_KEY", Class::AwsSecret),
            ("AWS_SESSION_TOKEN", Class::AwsSecret),
            ("AWS_ACCESS_KEY_ID", Class::AwsKeyId),
            ("credentials", Class::Credential),
            (".dockerconfigjson", Class::Credential),
            ("auth", Class::Authorization),
            ("REDIS_AUTH", Class::Authorization),
            ("Authorization", Class::Authorization),
            ("generatorURL", Class::GeneratorUrl),
        ] {
            assert_eq!(judge(name), Some(class), "{name}");
        }
    }

    #[test]
    fn names_that_only_sound_like_it() {
        for name in [
            "",
            "key",
            "KEYSPACE",
            "KEYBOARD",
            "MONKEY",
            "AUTHOR",
            "AUTHORITY",
            "PWD",
            "OLDPWD",
            "bypass",
            "secretName",
            "secretKeyRef",
            "imagePullSecrets",
            "tokenExpirationSeconds",
            "passwordSecretRef",
            "PASSWORD_FILE",
            "TOKEN_URL",
            "AUTH_MODE",
            "max_tokens",
            "token_count",
            "topologyKey",
            "publicKey",
            "PRIMARY_KEY",
            "private_key_id",
            "keyId",
            "checksum/secret",
            "authentication",
            "tokenizer",
            "secrets",
            "passenger",
            "node-role.kubernetes.io/control-plane",
            "compass",
        ] {
            assert_eq!(judge(name), None, "{name}");
        }
    }
}
