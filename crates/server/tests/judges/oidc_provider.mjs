// Stands in for AuthKit: oidc-provider with the device flow, JWT access tokens and rotating refresh
// tokens, all on /oauth2/*. Settings come as one JSON argument; the keys live in a file, so that a
// restart can go on with some of them and a new one.
//
// Beside the protocol: GET /__test/approve?user_code=&user=, GET /__test/deny?user_code=, and
// POST /__test/sign {header, claims} for tokens that no honest provider would issue.
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const settings = JSON.parse(process.argv[2]);
const { client_id, audience, keys_file, keys, interval_s, access_token_life_s } = settings;

const jwks = await signingKeys();
const server = http.createServer(answer);
await new Promise((listening) => server.listen(settings.port, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
// The first key signs.
const signingKey = await jose.importJWK(jwks[0], 'RS256');
const provider = open();
const handle = provider.callback();
console.log(JSON.stringify({ issuer, jwks_uri: `${issuer}/oauth2/jwks` }));

async function signingKeys() {
  const known = fs.existsSync(keys_file) ? JSON.parse(fs.readFileSync(keys_file, 'utf8')) : {};
  for (const kid of keys) {
    if (!known[kid]) {
      const pair = await jose.generateKeyPair('RS256', { extractable: true });
      known[kid] = { ...(await jose.exportJWK(pair.privateKey)), kid, use: 'sig', alg: 'RS256' };
    }
  }
  fs.writeFileSync(keys_file, JSON.stringify(known), { mode: 0o600 });
  return keys.map((kid) => known[kid]);
}

function open() {
  const scopes = ['openid', 'profile', 'email', 'offline_access'];
  const resource = {
    scope: scopes.join(' '),
    audience,
    accessTokenFormat: 'jwt',
    accessTokenTTL: access_token_life_s,
    jwt: { sign: { alg: 'RS256' } },
  };
  return new Provider(issuer, {
    clients: [{
      client_id,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: [DEVICE_GRANT, 'refresh_token'],
      redirect_uris: [],
      response_types: [],
    }],
    cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
    expiresWithSession: () => false,
    extraTokenClaims: (_, token) => ({ sid: `app_consent_${token.grantId}` }),
    features: {
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:basic-memory:cloud',
        getResourceServerInfo: () => resource,
        useGrantedResource: () => true,
      },
    },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org` }),
    }),
    jwks: { keys: jwks },
    rotateRefreshToken: true,
    routes: {
      code_verification: '/oauth2/device',
      device_authorization: '/oauth2/device_authorization',
      jwks: '/oauth2/jwks',
      revocation: '/oauth2/revoke',
      token: '/oauth2/token',
      userinfo: '/oauth2/userinfo',
    },
    scopes,
    ttl: { AccessToken: access_token_life_s, DeviceCode: 300, RefreshToken: 3600, Grant: 3600 },
  });
}

async function answer(request, response) {
  const url = new URL(request.url, issuer);
  const body = request.method === 'POST' ? await read(request) : '';
  try {
    if (url.pathname === '/__test/approve') {
      await decide(url, (code) => approve(code, url.searchParams.get('user')));
      return send(response, 200, {});
    }
    if (url.pathname === '/__test/deny') {
      await decide(url, (code) => Object.assign(code, { error: 'access_denied' }));
      return send(response, 200, {});
    }
    if (url.pathname === '/__test/sign') {
      const { header, claims } = JSON.parse(body);
      const token = new jose.SignJWT(claims);
      token.setProtectedHeader({ alg: 'RS256', kid: jwks[0].kid, ...header });
      return send(response, 200, { token: await token.sign(signingKey) });
    }
    // Where WorkOS has the key set of one client.
    if (url.pathname.startsWith('/sso/jwks/')) request.url = '/oauth2/jwks';
    // oidc-provider takes a body that somebody read before it.
    request.body = Object.fromEntries(new URLSearchParams(body));
    const refusal = url.pathname === '/oauth2/token' && refuseDevice(request.body);
    if (refusal) return send(response, 400, refusal);
    if (url.pathname === '/oauth2/device_authorization') remember(request.body, response);
    return handle(request, response);
  } catch (error) {
    return send(response, 400, { error: 'invalid_request', error_description: error.message });
  }
}

// The device flow of AuthKit takes a PKCE challenge and paces its clients; this one's does neither.
const flows = new Map();

function remember({ code_challenge, code_challenge_method }, response) {
  const end = response.end.bind(response);
  response.end = (text, ...rest) => {
    if (response.statusCode !== 200) return end(text, ...rest);
    const answer = JSON.parse(text);
    flows.set(answer.device_code, { code_challenge, code_challenge_method, polled: 0 });
    const whole = JSON.stringify({ ...answer, interval: interval_s });
    response.setHeader('content-length', Buffer.byteLength(whole));
    return end(whole, ...rest);
  };
}

function refuseDevice({ grant_type, device_code, code_verifier }) {
  const flow = grant_type === DEVICE_GRANT && flows.get(device_code);
  if (!flow) return undefined;
  if (flow.code_challenge) {
    const digest = crypto.createHash('sha256').update(code_verifier ?? '').digest('base64url');
    if (flow.code_challenge_method !== 'S256' || digest !== flow.code_challenge) {
      return { error: 'invalid_grant', error_description: 'the verifier does not fit' };
    }
  }
  const now = Date.now();
  const early = now - flow.polled < interval_s * 1000;
  flow.polled = now;
  return early ? { error: 'slow_down' } : undefined;
}

async function decide(url, change) {
  const userCode = url.searchParams.get('user_code').replace(/\W/g, '').toUpperCase();
  const code = await provider.DeviceCode.findByUserCode(userCode);
  if (!code) throw new Error('no such user code');
  await change(code);
  await code.save();
}

async function approve(code, user) {
  const grant = new provider.Grant({ accountId: user, clientId: client_id });
  grant.addOIDCScope(code.params.scope);
  grant.addResourceScope('urn:basic-memory:cloud', code.params.scope);
  Object.assign(code, {
    accountId: user,
    authTime: Math.floor(Date.now() / 1000),
    grantId: await grant.save(),
    resource: 'urn:basic-memory:cloud',
    scope: code.params.scope,
  });
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
