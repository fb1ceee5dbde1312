// Turnstile is on. The widget is a double; whether its tokens are good is asked of a double of siteverify.

import { Person, check, same, step, travel, until } from '../browser.mjs';

const TURNSTILE = 'https://challenges.cloudflare.com';
const WIDGET = `
  globalThis.turnstile = {
    render(place, options) {
      if (options.sitekey !== '1x00000000000000000000AA') throw new Error('another site key');
      const widget = document.createElement('p');
      widget.textContent = 'The widget of a test';
      place.append(widget);
      this.options = options;
      this.make();
      return 'widget-1';
    },
    make() {
      const kind = location.hash === '#bad' ? 'bad' : 'good';
      setTimeout(() => this.options.callback(kind + '-' + crypto.randomUUID()), 50);
    },
    reset() { this.make(); },
    remove() {},
  };
`;

await travel(async () => {
  const ann = await Person.come();
  ann.allowed = [TURNSTILE];
  let isBlocked = false;
  await ann.context.route(`${TURNSTILE}/**`, (route) =>
    isBlocked ? route.abort() : route.fulfill({ contentType: 'text/javascript', body: WIDGET }),
  );
  step('a page that writes shows the widget, and each request brings a token of its own');
  await ann.goto('/compiler');
  await ann.see('The widget of a test');
  const sent = [];
  ann.page.on('request', (request) => {
    if (request.url().endsWith('/api/compile/stream')) sent.push(request.postDataJSON().turnstileToken);
  });
  for (let n = 0; n < 2; n += 1) {
    await ann.click('Compile');
    await until(() => sent.length === n + 1, 'it is sent');
    await ann.see('lines compiled.');
    await ann.page.getByRole('button', { name: 'Compile', exact: true }).waitFor();
  }
  same(new Set(sent).size, 2, 'tokens are good once');

  step('validating brings one, too');
  await ann.goto('/validation');
  await ann.see('The widget of a test');
  await ann.write('Rules to validate, one a line', '||a.example^');
  await ann.click('Validate');
  await ann.see('All lines are valid.');

  step('a token that is not believed is told so');
  const bob = await Person.come();
  bob.allowed = [TURNSTILE];
  await bob.context.route(`${TURNSTILE}/**`, (route) => route.fulfill({ contentType: 'text/javascript', body: WIDGET }));
  await bob.goto('/compiler#bad');
  await bob.see('The widget of a test');
  await bob.click('Compile');
  const alert = bob.page.locator('app-problem [role="alert"]');
  await alert.waitFor();
  check(/Turnstile/.test(await alert.innerText()), await alert.innerText());

  step('a blocked widget is explained');
  isBlocked = true;
  await ann.goto('/compiler');
  await ann.see('An ad blocker or privacy tool may hold back');
});
