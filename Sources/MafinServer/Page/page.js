'use strict';
(() => {
  const config = JSON.parse(document.getElementById('config').textContent);
  const element = id => document.getElementById(id);
  const count = 10;
  const narrow = matchMedia('(max-width: 44rem)');
  const still = matchMedia('(prefers-reduced-motion: reduce)');

  // The last answer. The slider computes its rankings from it.
  let answer = null;
  let fused = null;
  let marks = {};
  let open = new Set();
  let words = new Map();
  // Texts by id: search results bring theirs, others are fetched when their card is opened.
  let texts = new Map();
  let key = sessionStorage.getItem('mafin-key');
  let asking = null;
  // What to do once a key has been entered.
  let afterKey = null;

  // ---- asking

  async function ask(path, body, signal) {
    const headers = {};
    if (body) headers['content-type'] = 'application/json';
    if (key) headers['authorization'] = 'Bearer ' + key;
    const response = await fetch(path, { method: body ? 'POST' : 'GET', headers, body: body ? JSON.stringify(body) : undefined, signal });
    const text = await response.text();
    if (response.status === 401) askForKey();
    let value = null;
    // A proxy in between answers in HTML.
    try { value = text ? JSON.parse(text) : null; } catch { if (response.ok) throw new Error('the answer is not JSON'); }
    if (!response.ok) throw new Error(value && value.error ? value.error.message : 'the service answered ' + response.status);
    return value;
  }

  function askForKey() {
    element('key-form').hidden = false;
    element('key').focus();
  }

  function fail(error) {
    if (error.name === 'AbortError') return;
    element('error').textContent = error.message;
    element('error').hidden = false;
  }

  async function search(query) {
    if (!query.trim()) return;
    if (asking) asking.abort();
    // Marks and explanations that are under way are not aborted.
    const mine = asking = new AbortController();
    const signal = mine.signal;
    element('error').hidden = true;
    element('status').textContent = 'Searching …';
    const begun = performance.now();
    try {
      const request = { query, top: count, lambda: config.lambda, candidates: true, candidate_texts: false };
      const wanted = [ask('/search', request, signal)];
      const isFused = element('bm25').checked;
      if (isFused) wanted.push(ask('/search', { query, top: count, lambda: lambda(), bm25: config.bm25Weight }, signal));
      if (config.hasFeedback) wanted.push(ask('/feedback?query=' + encodeURIComponent(query), undefined, signal));
      const answers = await Promise.all(wanted);
      answer = answers[0];
      fused = isFused ? answers[1] : null;
      texts = new Map([...answer.results, ...answer.black_box_ranking, ...(fused ? fused.results : [])].map(hit => [hit.id, hit.text]));
      marks = config.hasFeedback ? answers[answers.length - 1].grades : {};
      open = new Set();
      words = new Map();
      element('results').hidden = false;
      element('skip').hidden = false;
      element('notice').hidden = !answer.degraded;
      if (answer.degraded) element('notice').textContent = 'The black box is unavailable. These are the results of the local encoder alone. ' + answer.degraded;
      element('lambda').disabled = Boolean(fused) || !answer.candidates;
      render(false);
      element('status').textContent = summary() + ' ' + Math.round(performance.now() - begun) + ' ms.';
      remember();
    } catch (error) {
      // A later search has its own status.
      if (asking !== mine) return;
      element('status').textContent = '';
      fail(error);
    }
  }

  // ---- ranking, without requests

  // Not the slider's own value, because the λ of the artefact may lie between its steps.
  let share = config.lambda;
  const lambda = () => share;

  // The best at a λ, from both cosines of every candidate.
  function ranking() {
    if (fused) return fused.results;
    if (!answer.candidates) return answer.results;
    return answer.candidates.documents
      .map((hit, place) => ({
        ...hit, place, black_box_part: (1 - share) * hit.black_box_score, local_part: share * hit.local_score,
        score: (1 - share) * hit.black_box_score + share * hit.local_score,
      }))
      .sort((a, b) => b.score - a.score || a.place - b.place)
      .slice(0, answer.results.length)
      .map((hit, place) => ({ ...hit, rank: place + 1 }));
  }

  const blackBoxRanks = () => new Map(answer.black_box_ranking.map(hit => [hit.id, hit.rank]));

  function summary() {
    const before = blackBoxRanks();
    const after = ranking();
    if (!answer.black_box_ranking.length) return after.length + ' results of the local encoder.';
    const moved = after.filter(hit => before.get(hit.id) !== hit.rank).length;
    const fresh = after.filter(hit => !before.has(hit.id)).length;
    return `${after.length} results at λ = ${lambda().toFixed(2)}: ${moved} have another rank than with the black box alone, ${fresh} of them are new.`;
  }

  // ---- drawing

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  // Cuts between characters. A cut within one would show a replacement character.
  const shown = hit => hit.title || [...(texts.get(hit.id) || hit.text).slice(0, 300)].slice(0, 120).join('');
  const number = value => (value === undefined || value === null ? '–' : value.toFixed(3));

  function movement(before, after) {
    if (before === undefined) return ['up', '▲ new', 'new: not among the first ' + count + ' of the black box'];
    if (after === undefined) return ['down', '▼ out', 'falls out of the first ' + count];
    if (after < before) return ['up', '▲ ' + (before - after), 'up by ' + (before - after)];
    if (after > before) return ['down', '▼ ' + (after - before), 'down by ' + (after - before)];
    return ['', '=', 'same place'];
  }

  function card(hit, side, before, after, scale) {
    const item = make('li');
    item.dataset.id = hit.id;
    if (marks[hit.id] === 1) item.classList.add('relevant');
    if (marks[hit.id] === 0) item.classList.add('wrong');
    const name = side + ':' + hit.id;
    const head = make('button', 'head');
    head.type = 'button';
    head.dataset.name = name;
    head.setAttribute('aria-expanded', open.has(name));
    const title = make('span', 'title');
    title.append(make('span', 'rank', hit.rank + '.'), foreign(make('span', 'name', shown(hit))));
    if (answer.black_box_ranking.length) {
      const [kind, sign, spoken] = movement(before, after);
      const move = make('span', 'move ' + kind, sign);
      move.setAttribute('aria-label', spoken);
      title.append(move);
    }
    head.append(title);
    const bar = make('span', 'bar');
    const parts = side === 'left' ? [['box', hit.black_box_score]] : [['box', hit.black_box_part], ['local', hit.local_part]];
    for (const [kind, part] of parts) {
      if (part === undefined) continue;
      const segment = make('span', part < 0 ? 'negative' : kind);
      segment.style.width = 100 * Math.min(1, Math.abs(part) / scale) + '%';
      bar.append(segment);
    }
    head.append(bar);
    head.append(make('span', 'numbers', side === 'left'
      ? 'cosine ' + number(hit.black_box_score)
      : (fused ? 'fused ' + number(hit.score) + ', of ' : number(hit.score) + ' = ') + number(hit.black_box_part) + ' black box + ' + number(hit.local_part) + ' local'));
    item.append(head);
    if (open.has(name)) {
      const body = details(hit, name);
      body.id = `text-${side}-${hit.rank}`;
      head.setAttribute('aria-controls', body.id);
      item.append(body);
    }
    return item;
  }

  // A text of the collection, whose language and direction are not known.
  function foreign(node) {
    node.dir = 'auto';
    node.lang = '';
    return node;
  }

  function details(hit, name) {
    const body = make('div', 'body');
    body.append(foreign(make('p', '', texts.has(hit.id) ? texts.get(hit.id) : '…')));
    body.append(make('span', 'id', 'id ' + hit.id));
    const actions = make('div', 'actions');
    // By these names the focus stays in place when the cards are drawn again.
    const button = (className, text, action) => {
      const node = make('button', className, text);
      node.type = 'button';
      node.dataset.name = name + ':' + action;
      actions.append(node);
      return node;
    };
    button('explain', 'Which words matter for the local score?', 'explain');
    if (config.hasFeedback) {
      for (const [grade, text] of [[1, 'Relevant'], [0, 'Wrong']]) {
        const isMarked = marks[hit.id] === grade;
        button(isMarked ? 'mark marked' : 'mark', isMarked ? `Undo “${text}”` : text, grade).dataset.grade = grade;
      }
    }
    body.append(actions);
    const found = words.get(hit.id);
    if (found) body.append(attribution(found));
    return body;
  }

  function attribution(found) {
    const block = make('div', 'words');
    if (found === 'asking') {
      block.append(make('p', 'quiet', 'Leaving out each word in turn …'));
      return block;
    }
    for (const side of found.sides) {
      block.append(make('div', 'caption', (side.side === 'query' ? 'Query' : 'Passage') + ': how much the score falls without each word'));
      const text = foreign(make('div'));
      const most = Math.max(1e-6, ...side.pieces.map(piece => Math.abs(piece.share || 0)));
      for (const piece of side.pieces) {
        if (piece.share === undefined) { text.append(piece.text); continue; }
        const word = make('mark', '', piece.text);
        word.title = (piece.share >= 0 ? '+' : '−') + Math.abs(piece.share).toFixed(3);
        const colour = piece.share >= 0 ? '--word-plus' : '--word-minus';
        word.style.backgroundColor = `rgba(var(${colour}), ${(0.42 * Math.abs(piece.share) / most).toFixed(3)})`;
        if (Math.abs(piece.share) > most / 2) word.style.textDecoration = 'underline';
        text.append(word);
      }
      block.append(text);
      const best = side.pieces.filter(piece => piece.share !== undefined).sort((a, b) => Math.abs(b.share) - Math.abs(a.share)).slice(0, 5);
      block.append(make('div', 'caption', best.map(piece => piece.text + ' ' + (piece.share >= 0 ? '+' : '−') + Math.abs(piece.share).toFixed(3)).join(', ')));
    }
    return block;
  }

  function render(animated) {
    if (!answer) return;
    const after = ranking();
    const afterRanks = new Map(after.map(hit => [hit.id, hit.rank]));
    const beforeRanks = blackBoxRanks();
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.name : null;
    const places = new Map([...element('right').children].map(item => [item.dataset.id, item.getBoundingClientRect().top]));
    const scale = Math.max(1e-6, ...after.map(hit => Math.max(0, hit.black_box_part || 0) + Math.max(0, hit.local_part || 0)));
    const scaleLeft = Math.max(1e-6, ...answer.black_box_ranking.map(hit => hit.black_box_score));
    element('left').replaceChildren(...answer.black_box_ranking.map(hit => card(hit, 'left', hit.rank, afterRanks.get(hit.id), scaleLeft)));
    element('right').replaceChildren(...after.map(hit => card(hit, 'right', beforeRanks.get(hit.id), hit.rank, scale)));
    element('left-column').hidden = !answer.black_box_ranking.length;
    element('right-head').textContent = fused ? `${config.model}, fused with BM25, λ = ${fused.lambda.toFixed(2)}`
      : `${config.model}, λ = ${(answer.candidates ? lambda() : answer.lambda).toFixed(2)}`;
    if (focused) {
      const again = document.querySelector(`[data-name="${CSS.escape(focused)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
    if (animated && !still.matches) {
      for (const item of element('right').children) {
        const from = places.get(item.dataset.id);
        if (from === undefined) continue;
        const distance = from - item.getBoundingClientRect().top;
        if (!distance) continue;
        item.style.transform = `translateY(${distance}px)`;
        requestAnimationFrame(() => { item.classList.add('moving'); item.style.transform = ''; });
      }
    }
    draw(beforeRanks, afterRanks);
  }

  // Lines from each document's rank by the black box to its rank by mafin.
  function draw(before, after) {
    const svg = element('moves');
    if (narrow.matches || !answer.black_box_ranking.length) return svg.replaceChildren();
    const frame = svg.getBoundingClientRect();
    const middle = item => {
      const head = item.querySelector('.head').getBoundingClientRect();
      // The position at the end of a running animation.
      const shift = item.style.transform ? parseFloat(item.style.transform.slice(11)) || 0 : 0;
      return head.top - shift + head.height / 2 - frame.top;
    };
    const right = new Map([...element('right').children].map(item => [item.dataset.id, middle(item)]));
    const width = frame.width;
    const line = (id, shape, isStub) => {
      const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      path.setAttribute('d', shape);
      const [kind] = movement(before.get(id), after.get(id));
      path.setAttribute('class', `${kind} ${isStub ? 'gone' : ''}`);
      path.dataset.id = id;
      return path;
    };
    // The line of a document that is in one column only bends down and ends.
    const paths = [...element('left').children].map(item => {
      const id = item.dataset.id;
      const from = middle(item);
      if (!right.has(id)) return line(id, `M0 ${from} C${width * 0.25} ${from} ${width * 0.4} ${from + 4} ${width * 0.42} ${from + 24}`, true);
      const to = right.get(id);
      return line(id, `M0 ${from} C${width / 2} ${from} ${width / 2} ${to} ${width} ${to}`, false);
    });
    for (const [id, to] of right) {
      if (!before.has(id)) paths.push(line(id, `M${width * 0.58} ${to + 24} C${width * 0.6} ${to + 4} ${width * 0.75} ${to} ${width} ${to}`, true));
    }
    svg.replaceChildren(...paths);
  }

  function link(id) {
    for (const item of document.querySelectorAll('#board li')) item.classList.toggle('linked', item.dataset.id === id);
    for (const path of element('moves').children) path.classList.toggle('dim', Boolean(id) && path.dataset.id !== id);
  }

  // ---- doing

  async function fetchText(id) {
    if (texts.has(id)) return;
    const query = answer.query;
    try {
      const found = await ask('/document?id=' + encodeURIComponent(id));
      if (answer.query === query) texts.set(id, found.text);
    } catch (error) {
      fail(error);
    }
    render(false);
  }

  async function explain(id) {
    words.set(id, 'asking');
    render(false);
    const query = answer.query;
    try {
      const found = await ask('/explain', { query, document: id });
      if (answer.query === query) words.set(id, found);
    } catch (error) {
      words.delete(id);
      fail(error);
    }
    render(false);
  }

  async function mark(id, grade) {
    const query = answer.query;
    try {
      const state = await ask('/feedback', { query, document: id, grade: marks[id] === grade ? null : grade });
      // Another search may have been answered in between.
      if (answer.query === query) marks = state.grades;
      const kept = state.labels === 1 ? '1 mark' : `${state.labels} marks`;
      const asked = state.queries === 1 ? '1 query' : `${state.queries} queries`;
      element('status').textContent = `Kept for training: ${kept} on ${asked}.`;
    } catch (error) {
      fail(error);
    }
    render(false);
  }

  // A link cannot send a key, so the key is exchanged for a cookie that opens the report.
  async function openReport() {
    afterKey = openReport;
    if (!key) return askForKey();
    try {
      await ask('/report', {});
      location.assign('/report');
    } catch (error) {
      fail(error);
    }
  }

  function remember() {
    const parts = new URLSearchParams({ q: element('query').value, lambda: String(share) });
    history.replaceState(null, '', '#' + parts);
  }

  element('board').addEventListener('click', event => {
    const item = event.target.closest('li');
    if (!item) return;
    const head = event.target.closest('.head');
    const button = event.target.closest('.actions button');
    if (head) {
      const name = head.dataset.name;
      if (open.has(name)) open.delete(name); else open.add(name);
      render(false);
      if (open.has(name)) fetchText(item.dataset.id);
    } else if (button && button.classList.contains('explain')) {
      explain(item.dataset.id);
    } else if (button) {
      mark(item.dataset.id, Number(button.dataset.grade));
    }
  });
  for (const kind of ['mouseover', 'focusin']) {
    element('board').addEventListener(kind, event => {
      const item = event.target.closest('li');
      link(item ? item.dataset.id : null);
    });
  }
  element('board').addEventListener('mouseleave', () => link(null));

  element('search').addEventListener('submit', event => {
    event.preventDefault();
    search(element('query').value);
  });
  element('key-form').addEventListener('submit', event => {
    event.preventDefault();
    key = element('key').value.trim();
    sessionStorage.setItem('mafin-key', key);
    element('key-form').hidden = true;
    element('error').hidden = true;
    const next = afterKey || (() => search(element('query').value));
    afterKey = null;
    next();
  });
  element('report').addEventListener('click', event => {
    if (!config.hasKeys) return;
    event.preventDefault();
    openReport();
  });
  element('lambda').addEventListener('input', () => moveTo(Number(element('lambda').value)));
  element('lambda').addEventListener('change', () => {
    if (answer) element('status').textContent = summary();
    remember();
  });
  element('lambda-reset').addEventListener('click', () => {
    setLambda(config.lambda);
    remember();
  });
  element('bm25').addEventListener('change', () => search(element('query').value));
  document.addEventListener('keydown', event => {
    if (event.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      element('query').focus();
      element('query').select();
    }
  });
  new ResizeObserver(() => { if (answer) draw(blackBoxRanks(), new Map(ranking().map(hit => [hit.id, hit.rank]))); }).observe(element('board'));

  function moveTo(value) {
    share = value;
    element('lambda-value').textContent = lambda().toFixed(2);
    render(true);
  }

  function setLambda(value) {
    element('lambda').value = value;
    moveTo(value);
    if (answer) element('status').textContent = summary();
  }

  // ---- start

  element('model').textContent = config.model;
  element('report').hidden = !config.hasReport;
  element('no-index').hidden = config.hasIndex;
  element('search').hidden = !config.hasIndex;
  element('bm25-label').hidden = !config.hasBM25;
  element('bm25-weight').textContent = config.bm25Weight.toFixed(2);
  if (config.hasIndex) element('documents').textContent = `${config.documents.toLocaleString()} documents`;
  const own = document.createElement('option');
  own.value = config.lambda;
  element('lambda-marks').append(own);
  element('lambda-reset').textContent = `as trained: ${config.lambda.toFixed(2)}`;
  const given = new URLSearchParams(location.hash.slice(1));
  const asked = Number(given.get('lambda'));
  setLambda(given.has('lambda') && asked >= 0 && asked <= 1 ? asked : config.lambda);
  if (given.get('q') && config.hasIndex) {
    element('query').value = given.get('q');
    search(given.get('q'));
  } else if (config.hasIndex && !narrow.matches) {
    element('query').focus();
  }
})();
