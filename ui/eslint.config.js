import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const forbid = (...patterns) => ({
  'no-restricted-imports': ['error', { patterns: patterns.map(([group, message]) => ({ group, message })) }],
});

const features = ['session', 'applications', 'application', 'resources', 'rollouts'];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'test-results/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] }, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'react-hooks': reactHooks },
    rules: {
      ...reactHooks.configs['recommended-latest'].rules,
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // The UI is built without the React compiler; TanStack Virtual is fine without it.
      'react-hooks/incompatible-library': 'off',
      // A type argument says what an endpoint answers.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]', message: 'Text from clusters and repositories is never markup.' },
        { selector: 'AssignmentExpression[left.property.name=/^(innerHTML|outerHTML)$/]', message: 'Text from clusters and repositories is never markup.' },
        { selector: 'JSXOpeningElement[name.name="a"] > JSXAttribute[name.name="target"]', message: 'Use <ExternalLink>: it lets only http and https through.' },
      ],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ['src/**/*.tsx'], rules: { 'max-lines': ['error', { max: 250 }] } },
  // Import zones: api-types, lib and components at the bottom, then features, then app.
  { files: ['src/api-types/**'], rules: forbid([['@/lib/*', '@/components/*', '@/features/*', '@/app/*'], 'api-types import nothing.']) },
  { files: ['src/lib/**'], rules: forbid([['@/components/*', '@/features/*', '@/app/*'], 'lib is below components, features and app.']) },
  { files: ['src/components/**'], rules: forbid([['@/features/*', '@/app/*'], 'components are below features and app.']) },
  ...features.map((name) => ({
    files: [`src/features/${name}/**`],
    rules: forbid(
      [['@/app/*'], 'features are below app.'],
      [features.filter((other) => other !== name).map((other) => `@/features/${other}/**`), 'Features do not import features: compose them in app.'],
    ),
  })),
  { files: ['**/*.test.{ts,tsx}', 'src/testing/**', 'e2e/**'], rules: { '@typescript-eslint/no-non-null-assertion': 'off', 'no-restricted-imports': 'off' } },
  { files: ['eslint.config.js'], ...tseslint.configs.disableTypeChecked },
);
