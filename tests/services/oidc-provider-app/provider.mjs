// The certified provider of the npm package `oidc-provider` with one client and two accounts.
// Usage: node provider.mjs PORT
import { Provider } from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const accounts = {
  river: {
    name: "River Tam",
    email: "river@example.org",
    email_verified: true,
    groups: ["radio", "staff"],
  },
  wash: {
    name: "Hoban Washburne",
    email: "wash@example.org",
    email_verified: false,
    groups: ["radio"],
  },
};

// Any port of this machine, as a test cannot know its own port when this starts.
const isLocal = (uri) => /^http:\/\/(127\.0\.0\.1|localhost):\d+\//.test(uri);

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "jansky",
      client_secret: "jansky-oidc-provider-secret",
      redirect_uris: ["http://127.0.0.1/callback"],
      post_logout_redirect_uris: ["http://127.0.0.1/"],
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  // devInteractions take any name and any password: the name is the account.
  features: {
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: true },
  },
  findAccount: async (_context, id) => {
    const account = accounts[id];
    return (
      account && {
        accountId: id,
        claims: async () => ({ sub: id, preferred_username: id, ...account }),
      }
    );
  },
  claims: {
    openid: ["sub"],
    profile: ["name", "preferred_username", "groups"],
    email: ["email", "email_verified"],
  },
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed("refresh_token"),
  rotateRefreshToken: true,
  pkce: { required: () => true },
  ttl: {
    AccessToken: 300,
    AuthorizationCode: 60,
    Grant: 3600,
    IdToken: 300,
    Interaction: 600,
    RefreshToken: 3600,
    Session: 3600,
  },
  cookies: { keys: ["a key for tests"] },
});

const redirectAllowed = provider.Client.prototype.redirectUriAllowed;
provider.Client.prototype.redirectUriAllowed = function (uri) {
  return isLocal(uri) || redirectAllowed.call(this, uri);
};
provider.Client.prototype.postLogoutRedirectUriAllowed = isLocal;

provider.on("server_error", (_context, error) => console.error(error));
provider.on("grant.error", (_context, error) => console.error(error.message, error.error_detail));
provider.listen(port, "127.0.0.1", () => console.error("listening on", issuer));
