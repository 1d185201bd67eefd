/** The last words of a test run: what was skipped and why, then one line that scripts read. */
import type { Reporter, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'skipped') {
          count.skipped += 1;
          console.log(`skipped: ${test.fullName}${result.note === undefined ? '' : ` (${result.note})`}`);
        } else if (result.state !== 'pending') {
          count[result.state] += 1;
        }
      }
    }
    if (process.env['HOLDFAST_TEST_REQUIRE'] === 'all' && count.skipped > 0) {
      console.log('HOLDFAST_TEST_REQUIRE=all: a skipped test is a failure');
      count.failed += count.skipped;
      count.skipped = 0;
      process.exitCode = 1;
    }
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
