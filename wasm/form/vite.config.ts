import { defineConfig } from 'vite';

export default defineConfig({
  root: 'app',
  base: './',
  build: {
    outDir: '../dist/app',
    emptyOutDir: true,
    target: ['chrome107', 'firefox104', 'safari16'],
    assetsInlineLimit: 0,
    // A polyfill of it is one more script, for browsers that only load a little slower without.
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: {
        index: 'app/index.html',
        apply: 'app/apply.html',
        kiosk: 'app/kiosk.html',
        'fieldscore-form': 'src/index.ts',
      },
      output: {
        // Pages that exist already load the element by this name.
        entryFileNames: (chunk) => (chunk.name === 'fieldscore-form' ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
