// Services that take tokens: each believes one issuer and nobody else, and remembers whom it let in
// and whom not.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { join } from "node:path";

/** How tokens of an issuer look: the header's `typ` and `alg`. */
export const OF_JANSKY = { typ: "at+jwt", alg: "ES256" };
export const OF_KEYCLOAK = { typ: "JWT", alg: "RS256" };

/** A service that is meant by `audience`; nothing is let in that lives longer than `lifetime` seconds. */
export class Archive {
  /** The ids of the tokens that were good. */
  accepted = new Set();
  /** How many requests were let in. */
  served = 0;
  /** Why the others were not. */
  refused = [];
  /** What was told at `told`, for which nobody needs a token, and when. */
  told = [];

  constructor({ issuer, audience, lifetime, look }) {
    Object.assign(this, { issuer, audience, lifetime, look });
  }

  /** Listens at an address of this machine; with a `certificate` over TLS. */
  async start({ address = "127.0.0.1", certificate } = {}) {
    const answer = (request, response) => this.#answer(request, response);
    const server = certificate ? createSecureServer(certificate, answer) : createServer(answer);
    this.server = server.listen(0, address);
    await once(server, "listening");
    this.url = `${certificate ? "https" : "http"}://${address}:${server.address().port}/`;
    return this;
  }

  end() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  async #answer(request, response) {
    if (request.method === "POST" && request.url === "/told") {
      const at = performance.now();
      let text = "";
      for await (const piece of request.setEncoding("utf8")) {
        text += piece;
      }
      this.told.push({ at, text });
      response.end();
      return;
    }
    try {
      const claims = await this.#check(request.headers.authorization ?? "");
      this.accepted.add(claims.jti);
      this.served += 1;
      response.end(`${claims.preferred_username} may read, ${claims.scope}`);
    } catch (error) {
      this.refused.push(error.message);
      response.writeHead(401, { "WWW-Authenticate": 'Bearer error="invalid_token"' });
      response.end(error.message);
    }
  }

  async #check(authorization) {
    const [, token] = /^Bearer (\S+)$/.exec(authorization) ?? assert.fail("no token");
    const [header, payload, signature] = token.split(".");
    const decoded = (part) => JSON.parse(Buffer.from(part, "base64url"));
    const { alg, kid, typ } = decoded(header);
    assert.deepEqual({ typ, alg }, this.look);
    const jwk = await this.#key(kid);
    const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    const signed = Buffer.from(`${header}.${payload}`);
    assert.ok(
      verify("sha256", signed, key, Buffer.from(signature, "base64url")),
      "a bad signature",
    );
    const claims = decoded(payload);
    assert.equal(claims.iss, this.issuer);
    assert.deepEqual([claims.aud].flat(), [this.audience]);
    assert.ok(claims.exp > Date.now() / 1000, "the token has ended");
    assert.ok(claims.exp - claims.iat <= this.lifetime, "it lives too long");
    return claims;
  }

  async #key(kid) {
    if (!this.keys?.some((key) => key.kid === kid)) {
      const metadata = await this.#json(`${this.issuer}/.well-known/openid-configuration`);
      assert.equal(metadata.issuer, this.issuer);
      ({ keys: this.keys } = await this.#json(metadata.jwks_uri));
    }
    return this.keys.find((key) => key.kid === kid) ?? assert.fail("an unknown key");
  }

  async #json(url) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    assert.equal(answer.status, 200, url);
    return answer.json();
  }
}

/** A certificate for an address of this machine; whoever is given it believes it. */
export function certificateFor(address, folder) {
  const [key, cert] = [join(folder, "archive.key"), join(folder, "archive.pem")];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const about = ["-days", "2", "-subj", "/CN=archive", "-addext", `subjectAltName=IP:${address}`];
  execFileSync("openssl", [...made, ...about, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}
