// Says of each token whether jose accepts it as an access token of the issuer, for the audience.
import * as fs from 'node:fs';
import * as jose from 'jose';

const { jwks, issuer, audience, now_s, leeway_s, tokens } = JSON.parse(
  fs.readFileSync(process.argv[2], 'utf8'),
);
const keys = jose.createLocalJWKSet(jwks);
const rules = {
  issuer,
  audience,
  algorithms: ['RS256'],
  currentDate: new Date(now_s * 1000),
  clockTolerance: leeway_s,
  requiredClaims: ['exp', 'sub'],
};
const verdicts = {};
for (const [name, token] of Object.entries(tokens)) {
  try {
    await jose.jwtVerify(token, keys, rules);
    verdicts[name] = 'accepted';
  } catch (error) {
    verdicts[name] = error.code ?? error.name;
  }
}
console.log(JSON.stringify(verdicts));
