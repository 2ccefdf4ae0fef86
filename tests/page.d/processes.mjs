// Processes of ours, each in a folder of its own.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";

const program = (name) => path.join(process.env.BINARIES, name);

const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Starts a program of target/debug, and waits until it says that. */
export async function start(name, args, until, env = {}, folder = newFolder()) {
  const child = spawn(program(name), args, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const said = [];
  await new Promise((ready, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      readline.createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        if (until.test(line)) ready();
      });
    }
    child.on("exit", () => failed(new Error(`${name} ended: ${said.join("\n")}`)));
  });
  const stop = async () => {
    if (!running.delete(child)) return;
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  return { said, stop, folder, pid: child.pid };
}

/** What a command prints. */
export async function run(name, args, env, cwd) {
  const options = { cwd, env: { PATH: process.env.PATH, ...env } };
  return (await promisify(execFile)(program(name), args, options)).stdout;
}

export const newFolder = () => mkdtempSync(path.join(process.env.WORK, "process-"));

export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
