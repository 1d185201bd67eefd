import { defineConfig } from 'eslint/config';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Each layer and what it may not import from: arrows point down only. */
const layers = [
  [
    'src/core',
    [
      'stores',
      'governance',
      'credentials',
      'routing',
      'providers',
      'ledger',
      'telemetry',
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'client',
      'cli',
      'config',
      'temporal',
      'simulator',
    ],
  ],
  [
    'src/config',
    [
      'stores',
      'governance',
      'ledger',
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'client',
      'cli',
      'temporal',
      'simulator',
      'credentials',
      'telemetry',
      'routing',
    ],
  ],
  [
    'src/stores',
    [
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'client',
      'cli',
      'providers',
      'governance',
      'temporal',
      'simulator',
    ],
  ],
  ...['governance', 'credentials', 'routing', 'providers', 'ledger', 'telemetry', 'attempts'].map(
    (domain) =>
      [
        `src/${domain}`,
        ['activities', 'workflows', 'workers', 'gateway', 'client', 'cli', 'simulator', 'temporal'],
      ] as const,
  ),
  [
    'src/temporal',
    [
      'stores',
      'governance',
      'credentials',
      'routing',
      'providers',
      'ledger',
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'client',
      'cli',
      'simulator',
    ],
  ],
  [
    'src/simulator',
    [
      'stores',
      'governance',
      'credentials',
      'routing',
      'providers',
      'ledger',
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'client',
      'cli',
      'temporal',
    ],
  ],
  ['src/activities', ['workflows', 'workers', 'gateway', 'client', 'cli', 'simulator', 'temporal']],
  [
    'src/workflows',
    [
      'stores',
      'governance',
      'credentials',
      'routing',
      'providers',
      'ledger',
      'telemetry',
      'attempts',
      'workers',
      'gateway',
      'client',
      'cli',
      'config',
      'simulator',
    ],
  ],
  ['src/workers', ['gateway', 'client', 'cli', 'simulator']],
  [
    'src/client',
    [
      'stores',
      'governance',
      'credentials',
      'routing',
      'attempts',
      'activities',
      'workflows',
      'workers',
      'gateway',
      'cli',
      'simulator',
    ],
  ],
  ['src/gateway', ['cli', 'client']],
] as const;

const SANDBOX = ['src/core/**/*.ts', 'src/workflows/**/*.ts'];

export default defineConfig(
  { ignores: ['dist', 'coverage', 'node_modules'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js'] })] },
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        {
          basePath: import.meta.dirname,
          zones: layers.map(([target, below]) => ({
            target: `./${target}/**/!(*.test).ts`,
            from: below.map((layer) => `./src/${layer}`),
            message: 'Arrows point down only: see docs/architecture.md.',
          })),
        },
      ],
      'import-x/no-cycle': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Ports are objects made by factories: their functions close over state and never use `this`.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    // Code that runs in the workflow sandbox: no Node, no zod (600 KB of heap a workflow), no wall clock but the sandbox's.
    files: SANDBOX,
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^(node:|zod$|kysely|undici|fastify|pino)', message: 'This code runs in the workflow sandbox.' },
          ],
        },
      ],
      'no-restricted-globals': [
        'error',
        'process',
        'Buffer',
        'setInterval',
        'fetch',
        'WeakRef',
        'FinalizationRegistry',
      ],
    },
  },
  {
    files: ['**/*.test.ts', '**/*-contract.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-deprecated': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
