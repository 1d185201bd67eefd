import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { defaultCacheDir } from '../../../src/temporal/binary/find-server-binary.ts';

const VERSION = '1.38.0';
const MAVEN_TIMEOUT_MS = 5 * 60_000;
const JAVA_TIMEOUT_MS = 30_000;
/** The SDK gives a server 5 s; a cold JVM on a busy machine may need more than one try. */
const START_TRIES = 4;

/**
 * A Temporal server that skips time: a 30-day sleep takes a moment. Its time is global, so one test at a time; it lacks
 * list filters, schedules and standalone activities.
 */
export async function createTimeSkippingEnvironment(): Promise<TestWorkflowEnvironment> {
  const reason = timeSkippingUnavailableReason();
  if (reason !== undefined) throw new Error(reason);
  for (let tries = 1; ; tries += 1) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({
        server: { executable: { type: 'existing-path', path: executablePath() } },
      });
    } catch (error) {
      if (tries === START_TRIES) throw error;
    }
  }
}

/**
 * Why the time-skipping server cannot run here, for `it.skipIf`; `undefined` when it can. Fetches the server on first
 * use (7 s). With HOLDFAST_TEST_REQUIRE=all it throws instead, so that nothing is skipped unseen.
 */
export function timeSkippingUnavailableReason(env: NodeJS.ProcessEnv = process.env): string | undefined {
  try {
    execFileSync('java', ['-version'], { env, stdio: 'pipe', timeout: JAVA_TIMEOUT_MS });
    if (!existsSync(executablePath(env))) install(env);
    return undefined;
  } catch (error) {
    const reason = `the time-skipping server needs Java and Maven: ${lastLine(error)}`;
    if (env.HOLDFAST_TEST_REQUIRE === 'all') throw new Error(reason, { cause: error });
    return reason;
  }
}

function directory(env: NodeJS.ProcessEnv): string {
  return join(defaultCacheDir(env), `temporal-test-server-${VERSION}`);
}

function executablePath(env: NodeJS.ProcessEnv = process.env): string {
  return join(directory(env), 'temporal-test-server');
}

function install(env: NodeJS.ProcessEnv): void {
  const target = directory(env);
  mkdirSync(defaultCacheDir(env), { recursive: true });
  const work = mkdtempSync(`${target}-`);
  try {
    writeFileSync(join(work, 'pom.xml'), POM);
    const args = ['-B', '-q', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime'];
    execFileSync('mvn', args, { cwd: work, env, stdio: 'pipe', timeout: MAVEN_TIMEOUT_MS });
    writeFileSync(join(work, 'temporal-test-server'), WRAPPER, { mode: 0o755 });
    renameInto(work, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function renameInto(work: string, target: string): void {
  try {
    renameSync(work, target);
  } catch (error) {
    // Another test process was faster: its copy is as good.
    if (!existsSync(join(target, 'temporal-test-server'))) throw error;
  }
}

function lastLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.trim().split('\n').at(-1) ?? error.message;
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>holdfast</groupId>
  <artifactId>temporal-test-server</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** `exec`, because the SDK kills only its direct child. */
const WRAPPER = `#!/bin/sh
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;
