//! Requests and answers about sessions, the version and settings.

use std::collections::BTreeMap;

use driftless_core::Secret;
use serde::Deserialize;

use crate::object::object;

/// Logs in.
#[derive(Clone, Deserialize, Debug)]
pub struct SessionCreateRequest {
    /// User.
    #[serde(default)]
    pub username: String,
    /// Password.
    pub password: Secret<String>,
}

object! {
    /// A session.
    no_schema SessionResponse {
        required {
            /// Token.
            token: String,
        }
    }
}

object! {
    /// Who is logged in.
    no_schema UserInfo {
        /// Whether anybody is.
        logged_in: bool,
        /// User.
        username: String,
        /// Who says so.
        iss: String,
        /// Groups.
        groups: Vec<String>,
    }
}

object! {
    /// The version. Names are capitalised.
    no_schema Version {
        required {
            /// Version.
            #[serde(rename = "Version")]
            version: String,
        }
        /// When it was built.
        #[serde(rename = "BuildDate")]
        build_date: String,
        /// Commit.
        #[serde(rename = "GitCommit")]
        git_commit: String,
        /// Tag.
        #[serde(rename = "GitTag")]
        git_tag: String,
        /// `clean` or `dirty`.
        #[serde(rename = "GitTreeState")]
        git_tree_state: String,
        /// Compiler version.
        #[serde(rename = "GoVersion")]
        go_version: String,
        /// Compiler.
        #[serde(rename = "Compiler")]
        compiler: String,
        /// Operating system and architecture.
        #[serde(rename = "Platform")]
        platform: String,
        /// Kustomize version whose behaviour is followed.
        #[serde(rename = "KustomizeVersion")]
        kustomize_version: String,
        /// Helm version whose behaviour is followed.
        #[serde(rename = "HelmVersion")]
        helm_version: String,
        /// Kubernetes client version.
        #[serde(rename = "KubectlVersion")]
        kubectl_version: String,
        /// Jsonnet version.
        #[serde(rename = "JsonnetVersion")]
        jsonnet_version: String,
    }
}

object! {
    /// Settings that the UI and CLI need.
    no_schema Settings {
        /// Address of the UI.
        url: String,
        /// Other addresses of the UI.
        #[serde(rename = "additionalURLs")]
        additional_urls: Vec<String>,
        /// Label that names the Application of an object.
        app_label_key: String,
        /// How objects are tracked.
        tracking_method: String,
        /// Whether badges are served.
        status_badge_enabled: bool,
        /// Address for badges.
        status_badge_root_url: String,
        /// Links to help.
        help: Option<Help>,
        /// Style sheet.
        ui_css_url: String,
        /// Banner.
        ui_banner_content: String,
        /// Where the banner leads.
        #[serde(rename = "uiBannerURL")]
        ui_banner_url: String,
        /// Whether the banner cannot be closed.
        ui_banner_permanent: bool,
        /// Where the banner is.
        ui_banner_position: String,
        /// Rule for passwords.
        password_pattern: String,
        /// Whether there are no local users to log in as.
        user_logins_disabled: bool,
        /// Whether a terminal is offered.
        exec_enabled: bool,
        /// Namespace of the controller.
        controller_namespace: String,
        /// Whether Applications may be in other namespaces.
        apps_in_any_namespace_enabled: bool,
        /// Whether service accounts are acted as.
        impersonation_enabled: bool,
        /// Whether rendering into Git is on.
        hydrator_enabled: bool,
        /// Whether a sync may replace.
        sync_with_replace_allowed: bool,
        /// Text of the login button.
        ui_login_button_text: String,
        /// Whether the list of resources is offered.
        resource_view_enabled: bool,
        /// Kustomize versions.
        kustomize_versions: Vec<String>,
        /// Customisations of resources.
        resource_overrides: BTreeMap<String, serde_json::Value>,
    }
}

object! {
    /// Links to help.
    no_schema Help {
        /// Address of a chat.
        chat_url: String,
        /// Text for the chat.
        chat_text: String,
        /// Downloads.
        binary_urls: BTreeMap<String, String>,
    }
}
