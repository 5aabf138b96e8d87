//! Where the user is and was: the navigation stack is the breadcrumb.

/// A screen and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Dashboard,
    Endpoint(String),
    Traffic(String),
    Test {
        endpoint: String,
        deployment: Option<String>,
    },
    Logs {
        endpoint: String,
        deployment: String,
    },
    /// Keys and how to connect.
    Connect(String),
    Models,
    EndpointForm {
        name: Option<String>,
    },
    DeploymentForm {
        endpoint: String,
        name: Option<String>,
        model: Option<String>,
    },
    Activity,
    Workspace,
    /// Python environments of this machine.
    Environments,
}

impl Place {
    /// The word in the breadcrumb.
    pub fn crumb(&self) -> String {
        match self {
            Self::Dashboard => "Endpoints".into(),
            Self::Endpoint(name) => name.clone(),
            Self::Traffic(_) => "Traffic".into(),
            Self::Test { .. } => "Test".into(),
            Self::Logs { deployment, .. } => format!("Logs of {deployment}"),
            Self::Connect(_) => "Connect".into(),
            Self::Models => "Models".into(),
            Self::EndpointForm { name: None } => "New endpoint".into(),
            Self::DeploymentForm { name: None, .. } => "New deployment".into(),
            Self::EndpointForm { name: Some(_) } => "Edit".into(),
            Self::DeploymentForm { name: Some(name), .. } => format!("Edit {name}"),
            Self::Activity => "Activity".into(),
            Self::Workspace => "Workspace".into(),
            Self::Environments => "Environments".into(),
        }
    }

    /// The endpoint it is about.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Endpoint(name) | Self::Traffic(name) | Self::Connect(name) => Some(name),
            Self::Test { endpoint, .. } | Self::Logs { endpoint, .. } | Self::DeploymentForm { endpoint, .. } => {
                Some(endpoint)
            }
            Self::EndpointForm { name } => name.as_deref(),
            Self::Dashboard | Self::Models | Self::Activity | Self::Workspace | Self::Environments => None,
        }
    }
}

/// The stack, never empty, and what was left by going back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nav {
    pub stack: Vec<Place>,
    pub forward: Vec<Place>,
}

impl Default for Nav {
    fn default() -> Self {
        Self { stack: vec![Place::Dashboard], forward: Vec::new() }
    }
}

impl Nav {
    /// Where the user is.
    pub fn here(&self) -> &Place {
        self.stack.last().unwrap_or(&Place::Dashboard)
    }

    /// One level deeper.
    pub fn push(&mut self, place: Place) {
        if *self.here() != place {
            self.stack.push(place);
            self.forward.clear();
        }
    }

    /// To a place at the top level; its path to an endpoint is laid out so that Esc leads through it.
    pub fn jump(&mut self, place: Place) {
        let mut stack = vec![Place::Dashboard];
        if let Some(endpoint) = place.endpoint()
            && !matches!(place, Place::Endpoint(_))
        {
            stack.push(Place::Endpoint(endpoint.into()));
        }
        if place != Place::Dashboard {
            stack.push(place);
        }
        if self.stack != stack {
            self.stack = stack;
            self.forward.clear();
        }
    }

    /// One level back; false at the root.
    pub fn back(&mut self) -> bool {
        if self.stack.len() < 2 {
            return false;
        }
        self.forward.extend(self.stack.pop());
        true
    }

    /// Forward again; false when nothing was left.
    pub fn forward(&mut self) -> bool {
        match self.forward.pop() {
            Some(place) => {
                self.stack.push(place);
                true
            }
            None => false,
        }
    }
}
