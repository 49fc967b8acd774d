export interface UserInfo {
  loggedIn?: boolean;
  username?: string;
  iss?: string;
  groups?: string[] | null;
}

export interface Version {
  Version?: string;
  BuildDate?: string;
  GitCommit?: string;
}

export interface Settings {
  url?: string;
  userLoginsDisabled?: boolean;
  uiBannerContent?: string;
  uiBannerURL?: string;
  controllerNamespace?: string;
  appsInAnyNamespaceEnabled?: boolean;
}

export interface ApiErrorBody {
  error?: string;
  message?: string;
  code?: number;
}
