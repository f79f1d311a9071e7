"""Sets up what is not in the realm files of the Keycloak for the tests.

    keycloak-connect.py BASE-URL ADMIN PASSWORD

The realm `ext` becomes an identity provider of `jive` (its URLs hold the port), whose tokens `jansky`
may have. `jive` gets client scopes with an audience each, which `jansky` may ask for in an exchange:
in a realm file they would take the place of the scopes that every realm has.
"""

import json
import sys
import urllib.parse
import urllib.request

base, admin, password = sys.argv[1:]
realm = f"{base}/admin/realms/jive"


def call(method, url, body=None, token=None):
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None
    if isinstance(body, dict) and not token:
        data = urllib.parse.urlencode(body).encode()
    elif body is not None:
        request.add_header("Content-Type", "application/json")
        data = json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=30) as answer:
        text = answer.read()
        location = answer.headers.get("Location", "")
        return json.loads(text) if text else location.rsplit("/", 1)[-1]


signed_in = call(
    "POST",
    f"{base}/realms/master/protocol/openid-connect/token",
    {
        "grant_type": "password",
        "client_id": "admin-cli",
        "username": admin,
        "password": password,
    },
)


def api(method, path, body=None):
    return call(method, f"{realm}/{path}", body, signed_in["access_token"])


def client(name):
    return api("GET", f"clients?clientId={name}")[0]["id"]


def connect_ext():
    ext = f"{base}/realms/ext"
    openid = f"{ext}/protocol/openid-connect"
    provider = {
        "alias": "ext",
        "displayName": "EXT account",
        "providerId": "oidc",
        "enabled": True,
        "trustEmail": True,
        "storeToken": True,
        "addReadTokenRoleOnCreate": True,
        "config": {
            "issuer": ext,
            "authorizationUrl": f"{openid}/auth",
            "tokenUrl": f"{openid}/token",
            "logoutUrl": f"{openid}/logout",
            "jwksUrl": f"{openid}/certs",
            "useJwksUrl": "true",
            "validateSignature": "true",
            "clientId": "jive",
            "clientSecret": "jive-at-ext-secret",
            "clientAuthMethod": "client_secret_post",
            "pkceEnabled": "true",
            "pkceMethod": "S256",
            "syncMode": "FORCE",
            "storeTokenInSession": "true",
        },
    }
    api("POST", "identity-provider/instances", provider)


def add_audience_scopes():
    jansky = client("jansky")
    for name, audience in [("archive:read", "rs-a"), ("catalogue:read", "rs-b")]:
        mapper = {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {
                "included.client.audience": audience,
                "access.token.claim": "true",
                "introspection.token.claim": "true",
            },
        }
        scope = {
            "name": name,
            "protocol": "openid-connect",
            "attributes": {"include.in.token.scope": "true"},
            "protocolMappers": [mapper],
        }
        made = api("POST", "client-scopes", scope)
        api("PUT", f"clients/{jansky}/optional-client-scopes/{made}")


def allow_requested_issuer():
    """Lets `jansky` exchange for tokens of `ext` in the way that Keycloak had first."""
    instance = "identity-provider/instances/ext/management/permissions"
    permissions = api("PUT", instance, {"enabled": True})
    management = client("realm-management")
    server = f"clients/{management}/authz/resource-server"
    policy = api(
        "POST",
        f"{server}/policy/client",
        {"name": "jansky may have tokens of ext", "clients": [client("jansky")]},
    )["id"]
    permission = permissions["scopePermissions"]["token-exchange"]
    current = api("GET", f"{server}/permission/scope/{permission}")
    for part in ("policies", "resources", "scopes"):
        attached = api(
            "GET", f"{server}/policy/{permission}/{part.replace('policies', 'associatedPolicies')}"
        )
        current[part] = [one.get("id") or one.get("_id") for one in attached]
    current["policies"] = [policy]
    api("PUT", f"{server}/permission/scope/{permission}", current)


connect_ext()
add_audience_scopes()
allow_requested_issuer()
