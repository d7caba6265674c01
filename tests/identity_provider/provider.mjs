// A real OpenID provider on loopback, around oidc-provider, for the tests of log-ins. It reads one line of JSON from
// stdin, prints one line when it listens, and ends when stdin does: no test leaves it running.
//
// Given: { port, clients, accounts: { name: claims }, strict, secret }. `strict` is what HelseID asks of its clients:
// private_key_jwt, pushed authorization requests and DPoP with the server's own nonces, by FAPI 2.0.
//
// Beside the protocol, for tests only: GET /interaction/<id>/as/<account> is a person who has logged in at the
// provider; POST /control changes what the provider is: { accounts, skew (s), rotate, lifetime (s), logout }.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [line] = await once(createInterface({ input: process.stdin }), 'line');
const given = JSON.parse(line);
const { Provider } = await import(pathToFileURL(`${process.env.MODULES}/oidc-provider/lib/index.js`));

const issuer = `http://127.0.0.1:${given.port}`;
const state = { accounts: given.accounts, lifetime: 300, skew: 0, counts: {} };
const realNow = Date.now.bind(Date);
Date.now = () => realNow() + state.skew * 1000;

function newKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
}

function configuration(jwks) {
  const strict = given.strict && {
    fapi: { enabled: true, profile: '2.0' },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
  };
  return {
    jwks: { keys: jwks },
    clients: given.clients,
    cookies: { keys: [given.secret] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256', 'RS256', 'PS256'],
      clientAuthSigningAlgValues: ['ES256', 'ES384', 'PS256', 'PS384', 'RS256'],
      dPoPSigningAlgValues: ['ES256', 'PS256'],
    },
    scopes: ['openid', 'offline_access', 'profile'],
    claims: { openid: ['sub', 'groups', 'name', 'preferred_username', 'sid', 'acr', 'amr', 'auth_time', '_claim_names', 'helseid://claims/hpr/hpr_number'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    fetch: async (url, { dispatcher, ...options }) => fetch(url, options), // to this machine, unlike the default
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    ttl: { IdToken: () => state.lifetime, AccessToken: 300, AuthorizationCode: 60, RefreshToken: 86400, Session: 86400,
      Grant: 86400, Interaction: 600 },
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, ...strict },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: async (ctx, id) => {
      if (!state.accounts[id]) return undefined;
      return { accountId: id, claims: async () => ({ sub: id, ...state.accounts[id] }) };
    },
    loadExistingGrant: async (ctx) => { // nobody is asked for consent: a hospital has given it for its own
      const grant = new ctx.oidc.provider.Grant({
        accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId,
      });
      grant.addOIDCScope('openid offline_access profile');
      await grant.save();
      return grant;
    },
  };
}

let keys = [newKey()];
let provider;
let answer;

function build() { // what is stored lives in the library's own memory: a new provider knows the old one's sessions
  provider = new Provider(issuer, configuration(keys));
  provider.on('server_error', (ctx, error) => console.error(error));
  if (given.verbose) {
    for (const name of ['grant.error', 'authorization.error', 'pushed_authorization_request.error', 'backchannel.error']) {
      provider.on(name, (ctx, error) => console.error(name, error));
    }
  }
  answer = provider.callback();
}
build();

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text || '{}');
}

async function control(request, response) {
  const asked = await body(request);
  if (asked.accounts) Object.assign(state.accounts, asked.accounts);
  for (const name of asked.removed ?? []) delete state.accounts[name];
  if (asked.skew !== undefined) state.skew = asked.skew;
  if (asked.lifetime !== undefined) state.lifetime = asked.lifetime;
  if (asked.rotate) { keys = [newKey()]; build(); }
  if (asked.logout) {
    const client = await provider.Client.find(asked.logout.client);
    await client.backchannelLogout(asked.logout.account, asked.logout.sid);
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ counts: state.counts }));
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  state.counts[pathname] = (state.counts[pathname] ?? 0) + 1;
  const person = /^\/interaction\/[^/]+\/as\/([a-z.-]+)$/.exec(pathname);
  try {
    if (pathname === '/control') return await control(request, response);
    if (person?.[1] === 'nobody') {
      return await provider.interactionFinished(request, response, { error: 'access_denied' });
    }
    if (person) { // `login` of an account: how it logs in there, { acr, amr }
      const login = { accountId: person[1], ...state.accounts[person[1]]?.login };
      return await provider.interactionFinished(request, response, { login });
    }
    return await answer(request, response);
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    return response.end(String(error.message));
  }
});
process.stdin.on('end', () => process.exit(0));
server.listen(given.port, '127.0.0.1', () => console.log('listening'));
