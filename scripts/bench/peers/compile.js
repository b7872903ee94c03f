// Compiles the peers and prints {name: {abi, bytecode, compiler}} as JSON.
//
//     node compile.js FOLDER      FOLDER holds node_modules and Peers.sol
//
// Optimiser on, 200 runs, as both projects deploy; EVM versions are those of their compilers' times.
"use strict";

const fs = require("fs");
const path = require("path");

const folder = path.resolve(process.argv[2]);
const modules = path.join(folder, "node_modules");

const TARGETS = [
  {
    compiler: "solc-0.5",
    source: "synthetix/contracts/StakingRewards.sol",
    evmVersion: "istanbul",
    contracts: ["StakingRewards"],
  },
  {
    compiler: "solc-0.8",
    source: "Peers.sol",
    evmVersion: "cancun",
    contracts: ["PeerToken", "PeerVault"],
  },
];

function read(name) {
  for (const base of [modules, folder]) {
    const file = path.join(base, name);
    if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
  }
  return { error: `no file ${name}` };
}

function compile({ compiler, source, evmVersion, contracts }) {
  const solc = require(path.join(modules, compiler));
  const input = {
    language: "Solidity",
    sources: { [source]: { content: read(source).contents } },
    settings: {
      evmVersion,
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const callbacks = compiler === "solc-0.5" ? read : { import: read };
  const output = JSON.parse(solc.compile(JSON.stringify(input), callbacks));
  const errors = (output.errors || []).filter((error) => error.severity === "error");
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  return contracts.map((name) => {
    const found = output.contracts[source][name];
    const bytecode = `0x${found.evm.bytecode.object}`;
    return [name, { abi: found.abi, bytecode, compiler: solc.version(), evm_version: evmVersion }];
  });
}

process.stdout.write(JSON.stringify(Object.fromEntries(TARGETS.flatMap(compile))));
