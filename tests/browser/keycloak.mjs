// The real Keycloak of the tests, by the API of its administrators.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

export function fromEnvironment(name) {
  const value = process.env[`JANSKY_TEST_${name}`];
  assert.ok(value, `JANSKY_TEST_${name} is not set; see tests/services`);
  return value;
}

/** A name that no other test and no other run has. */
export function ownName(name) {
  return `${name}-${randomBytes(4).toString("hex")}`;
}

/** Makes a client that is like `jansky`, but for the seconds that its access tokens live. */
export async function makeClient(lifetime) {
  const [{ id, ...client }] = await call("GET", "clients?clientId=jansky");
  const clientId = ownName("jansky");
  const mappers = client.protocolMappers.map(({ id, ...mapper }) => mapper);
  const attributes = { ...client.attributes, "access.token.lifespan": `${lifetime}` };
  await call("POST", "clients", { ...client, clientId, protocolMappers: mappers, attributes });
  return clientId;
}

/** Makes a group, and a person in it. */
export async function makePerson(name, group) {
  await call("POST", "groups", { name: group });
  const [{ id: groupId }] = await call("GET", `groups?exact=true&search=${group}`);
  const password = `${name}-password`;
  await call("POST", "users", {
    username: name,
    enabled: true,
    email: `${name}@example.org`,
    emailVerified: true,
    firstName: name,
    lastName: "Test",
    credentials: [{ type: "password", value: password, temporary: false }],
  });
  const [{ id }] = await call("GET", `users?exact=true&username=${name}`);
  await call("PUT", `users/${id}/groups/${groupId}`);
  const leave = () => call("DELETE", `users/${id}/groups/${groupId}`);
  return { name, password, leave };
}

async function call(method, path, body) {
  const answer = await fetch(`${fromEnvironment("KEYCLOAK_ADMIN_URL")}/admin/realms/jive/${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${await signIn()}`,
      ...(body && { "Content-Type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

// Anew for each call: these tokens live for a minute.
async function signIn() {
  const realm = `${fromEnvironment("KEYCLOAK_ADMIN_URL")}/realms/master`;
  const answer = await fetch(`${realm}/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "password",
      client_id: "admin-cli",
      username: fromEnvironment("KEYCLOAK_ADMIN_USER"),
      password: fromEnvironment("KEYCLOAK_ADMIN_PASSWORD"),
    }),
    signal: AbortSignal.timeout(30_000),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}
