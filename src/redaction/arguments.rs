//! Command lines in list form: `["--password", "x"]`, `["mysql", "-px"]`.

use super::counts::Class;
use super::{names, values};

/// What the words so far say about the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arguments {
    /// The word before is a flag that wants a secret.
    flag: Option<Class>,
    client: Option<Client>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// `-psecret`
    Attached,
    /// `-p secret`
    SmallP,
    /// `-P secret`
    LargeP,
    /// `-a secret`
    Redis,
}

impl Arguments {
    /// Takes the next word. When it is a secret, its class and the place in the word where the secret begins.
    pub(super) fn next(&mut self, word: &str) -> Option<(Class, usize)> {
        let expected = self.flag.take();
        if let Some(class) = expected.filter(|class| !word.starts_with("--") && values::is_secret(word, *class)) {
            return Some((class, 0));
        }
        if let Some(client) = client(word) {
            self.client = Some(client);
        }
        let is_attached = self.client == Some(Client::Attached) && word.starts_with("-p") && !word.starts_with("--");
        if is_attached && word.get(2..).is_some_and(values::is_open) {
            return Some((Class::Password, 2));
        }
        self.flag = self.wants_secret(word);
        None
    }

    fn wants_secret(&self, word: &str) -> Option<Class> {
        let wanted = match self.client {
            Some(Client::SmallP) => "-p",
            Some(Client::LargeP) => "-P",
            Some(Client::Redis) => "-a",
            Some(Client::Attached) | None => "",
        };
        if !wanted.is_empty() && word == wanted {
            return Some(Class::Password);
        }
        let name = word.strip_prefix('-')?.trim_start_matches('-');
        let is_flag = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        is_flag.then(|| names::judge(name)).flatten()
    }
}

fn client(word: &str) -> Option<Client> {
    let program = word.rsplit('/').next().unwrap_or(word);
    if program.starts_with("mysql") || program.starts_with("mariadb") {
        return Some(Client::Attached);
    }
    match program {
        "redis-cli" => Some(Client::Redis),
        "sqlcmd" => Some(Client::LargeP),
        "sshpass" | "login" => Some(Client::SmallP),
        _ if program.starts_with("mongo") => Some(Client::SmallP),
        _ => None,
    }
}
