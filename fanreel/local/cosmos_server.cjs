// Starts the Cosmos DB emulator package over plain http.
// Usage: node cosmos_server.cjs PACKAGE_DIR PORT
//
// The package's own command line closes every connection and, without TLS, still tells clients to go to
// https://; both are mended here through its public objects, so that SDKs work with no TLS exceptions.
"use strict";
const path = require("path");

const [packageDir, port] = process.argv.slice(2);
const { createHttpServer } = require(packageDir);
const Account = require(path.join(packageDir, "lib", "account")).default;

const read = Account.prototype.read;
Account.prototype.read = function readOverHttp() {
  return JSON.parse(JSON.stringify(read.call(this)).replaceAll("https://", "http://"));
};

const server = createHttpServer({ keepAlive: true });
// Longer than any client idles: a connection closed under a request looks like an outage.
server.keepAliveTimeout = 15 * 60 * 1000;
server.listen(Number(port), "127.0.0.1", () => console.log(`Cosmos DB emulator on http://127.0.0.1:${port}/`));
