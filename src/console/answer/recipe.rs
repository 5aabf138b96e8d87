//! The same request for a shell and for Python. The key never appears: both read it from the environment.

/// What is needed to repeat a request outside the console.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipe {
    pub endpoint: String,
    /// The endpoint's own `scoringUri`, or a path under its base.
    pub uri: String,
    pub method: String,
    pub content_type: String,
    /// Pins a deployment; `None` = the endpoint's split.
    pub deployment: Option<String>,
    pub body: String,
    /// PEM bundle to trust; `None` = the system's roots.
    pub ca_file: Option<String>,
    /// `keys` or `token`: which command prints the credential.
    pub credential: &'static str,
    /// Flags by which the commands reach this workspace, e.g. `--data-dir /tmp/x`; empty for the usual one.
    pub flags: String,
}

impl Recipe {
    /// A `curl` command for a POSIX shell.
    pub fn curl(&self) -> String {
        let mut lines = vec![format!("{} && curl -sS {}", self.export(), quote(&self.uri))];
        if self.method != "POST" || self.body.is_empty() {
            lines.push(format!("-X {}", self.method));
        }
        if let Some(ca) = &self.ca_file {
            lines.push(format!("--cacert {}", quote(ca)));
        }
        lines.push("-H \"Authorization: Bearer $ENDPOINT_KEY\"".into());
        lines.push(format!("-H {}", quote(&format!("Content-Type: {}", self.content_type))));
        if let Some(deployment) = &self.deployment {
            lines.push(format!("-H {}", quote(&format!("azureml-model-deployment: {deployment}"))));
        }
        if !self.body.is_empty() {
            lines.push(format!("--data-binary {}", quote(&self.body)));
        }
        lines.join(" \\\n  ")
    }

    /// A Python program that needs the `requests` package only.
    pub fn python(&self) -> String {
        let mut headers = format!(
            "    \"Authorization\": \"Bearer \" + os.environ[\"ENDPOINT_KEY\"],\n    \"Content-Type\": {},\n",
            literal(&self.content_type)
        );
        if let Some(deployment) = &self.deployment {
            headers.push_str(&format!("    \"azureml-model-deployment\": {},\n", literal(deployment)));
        }
        let verify = self.ca_file.as_ref().map_or(String::new(), |ca| format!(", verify={}", literal(ca)));
        format!(
            "# {}\nimport os\n\nimport requests\n\nheaders = {{\n{headers}}}\nbody = {}\nanswer = requests.request({}, {}, \
             headers=headers, data=body.encode(), timeout=60{verify})\nprint(answer.status_code, \
             answer.headers.get(\"azureml-model-deployment\"))\nprint(answer.text)\n",
            self.export(),
            literal(&self.body),
            literal(&self.method),
            literal(&self.uri),
        )
    }

    fn export(&self) -> String {
        let endpoint = quote(&self.endpoint);
        let flags = if self.flags.is_empty() { String::new() } else { format!(" {}", self.flags) };
        match self.credential {
            "token" => format!("export ENDPOINT_KEY=\"$(mlconsole endpoint token {endpoint}{flags})\""),
            _ => format!("export ENDPOINT_KEY=\"$(mlconsole endpoint keys {endpoint} --raw{flags})\""),
        }
    }
}

/// Quotes a word for a POSIX shell, whatever it holds.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A Python string literal: JSON's escapes are a subset of Python's, but for the surrogate pairs that JSON text keeps
/// as characters anyway.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
