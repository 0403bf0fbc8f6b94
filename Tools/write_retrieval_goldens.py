"""Writes the goldens of Tests/MafinRetrievalTests.

    python Tools/write_retrieval_goldens.py [--shared ../shared]

Needs pytrec-eval-terrier, scipy, bm25s, PyStemmer and scikit-learn. All inputs are made here from fixed seeds. For the
collections in `--shared` only mean values are written (yardsticks.json, which stays as it is if the folder is absent).

Our metrics and the measures of trec_eval they are compared with:

    nDCG@k      ndcg_cut_k      nDCG    ndcg
    Recall@k    recall_k        P@k     P_k
    MRR         recip_rank      MRR@k   recip_rank of the k best documents (trec_eval has no cutoff there)
    MAP         map             MAP@k   map_cut_k
    Success@k   success_k       Rprec   Rprec
"""

import argparse
import json
import pathlib
import random

import bm25s
import goldens
import numpy as np
import pytrec_eval
import scipy.stats
import Stemmer
from sklearn.feature_extraction.text import TfidfVectorizer

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinRetrievalTests" / "Goldens"

MEASURES = {
    "nDCG": "ndcg", "nDCG@1": "ndcg_cut_1", "nDCG@5": "ndcg_cut_5", "nDCG@10": "ndcg_cut_10",
    "Recall@5": "recall_5", "Recall@10": "recall_10", "P@5": "P_5", "P@10": "P_10",
    "MRR": "recip_rank", "MRR@3": None, "MRR@10": None,
    "MAP": "map", "MAP@5": "map_cut_5", "Success@1": "success_1", "Success@5": "success_5", "Rprec": "Rprec",
}
REQUESTED = {"ndcg", "ndcg_cut.1,5,10", "recall.5,10", "P.5,10", "recip_rank", "map", "map_cut.5", "success.1,5", "Rprec"}


def trec_order(ranking):
    """Sorts like trec_eval: by score descending in single precision, then by document id descending."""
    return sorted(ranking.items(), key=lambda item: (np.float32(item[1]), item[0].encode()), reverse=True)


def evaluate(qrels, run):
    values = pytrec_eval.RelevanceEvaluator(qrels, REQUESTED).evaluate(run)
    result = {query: {name: row[key] for name, key in MEASURES.items() if key} for query, row in values.items()}
    for cutoff in (3, 10):
        cut = {query: dict(trec_order(ranking)[:cutoff]) for query, ranking in run.items()}
        for query, row in pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut).items():
            result[query][f"MRR@{cutoff}"] = row["recip_rank"]
    return result


def metrics():
    rng = random.Random(20240219)
    qrels, run = {}, {}
    for number in range(240):
        query = f"q{number}"
        # Ids whose orders by bytes, by letters and by number differ.
        pool = [rng.choice(["d", "D", "doc-", "é", "0"]) + str(i) for i in rng.sample(range(120), 40)]
        judged = rng.sample(pool, rng.randint(1, 9))
        grades = {
            0: lambda: 1, 1: lambda: rng.choice([0, 1]), 2: lambda: rng.choice([0, 1, 2, 3, 4]),
            3: lambda: rng.choice([-1, -1, 0, 1, 3]),  # trec_eval crashes on grades below -1
        }[number % 4]
        qrels[query] = {document: grades() for document in judged}
        if number % 17 == 0:
            continue  # a judged query without a result list
        found = rng.sample(pool, rng.choice([1, 3, 8, 14]))
        digits = rng.choice([0, 1, 6])
        ranking = {document: round(rng.uniform(-1, 3), digits) for document in found}
        if number % 5 == 0:  # scores that differ in double precision only
            first, *others = found
            for other in others[:3]:
                ranking[other] = ranking[first] + 1e-10
        run[query] = ranking
    run["unjudged"] = {"d1": 1.0}
    return {"qrels": qrels, "run": run, "values": evaluate(qrels, run)}


def statistics():
    rng = np.random.default_rng(7)
    samples = {
        "shifted": rng.normal(0.03, 0.2, 120),
        "null": rng.normal(0, 0.2, 250),
        "skewed": rng.exponential(0.1, 80) - 0.085,
        "mostly ties": np.where(rng.random(200) < 0.8, 0, rng.normal(0.05, 0.3, 200)),
        "few": rng.normal(0.2, 0.3, 12),
    }
    result = {}
    for name, values in samples.items():
        values = np.round(values, 6)
        interval = scipy.stats.bootstrap(
            (values,), np.mean, n_resamples=200_000, method="percentile", confidence_level=0.95, batch=2_000, rng=rng
        ).confidence_interval
        test = scipy.stats.permutation_test(
            (values, np.zeros_like(values)), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
            n_resamples=200_000, batch=2_000, vectorized=True, rng=rng)
        result[name] = {
            "differences": values.tolist(), "low": interval.low, "high": interval.high, "p": test.pvalue,
            "error": float(np.std(values) / np.sqrt(len(values))),
        }
    return result


ROOTS = """accept act adjust admit advance agree allow analy andes apolog appear apply argu arrive arsen assess atlas author
bake ban base beauti begin believ bias bicycl biolog blog boy brillian buy calcul canning care carry categor caus cell
chang cheer child cit clear close coll commun compar complet comput concern condition confus conclud consist control
cosmos cosmolog cow creat cri critic cut danger day decid defin democra depend describ destroy develop die differ digit
discover dye early earring ebb econom edit effect egg elect electr emerg emotion employ enjoy enter envelop environment
equal err evening even eventu evolv exceed exist expect experi express eye fail fall fast feed feel fertil fin flow fly
follow form formal found free friend funct gas gener gentle geolog glob go good gover grad grow happ hasti herring high
histor hop hope howe human hyphen idle imagin immun import inform inning institut integr intellig intens inter interest
intern invent item joy judg jump just keep kiss know knack knight label lateral later lay lead learn leg liber lie light
limit listen liv local log long look luxuri machin magnet main manag marri mass mathemat matter mean measur medic meet
member memor mend method micro mile mobil model modern modif mole moral move multipl muscl mut nation natur need nerv
news nois norm notic nourish number object observ occup occur off oper operat optim orb organ orient origin outing own pain
paint part pass past pati pay peac percept perform period person phas philosoph photograph physic plan plast plate play
ply polit popul posit possibl power predic prefer prep present press princip prob proceed process produc profess program
prolog promis proof proport propos protect prove provid psycholog public purpos quantit quick quot radi rais rat ration
read real reason receiv recogn refer refus regul relat relev religi rememb remov repeat report repres requir research
resist resolv respons rest result retriev rib rich right roll rub run sail satisf say scal scienc search season secur see
select sens sensibl separat sequ serv set shift ship shop show sid sign simil simpl sing singl situ siz skat ski skip sky
sleep slow smil soci soft solid solv sort sound sourc speak special specif spell stabil stand stat stay stimul stop stor
strateg stres strong struct stud styl subject succeed suffic suggest suit support surpris surviv sustain swim symbol
system tabl tail talk tap teach techn tell temper tend term test theor think tie time ton tough toy trac trad tradit train
transform travel treat tri triv tru trust try turn type ugly unif uni univers urg us usabl util vac valid valu vari veget
vent vibr vict view vigor vill violat vision visit vit voic vot vow walk war wast water weak wear weigh wholl wid will win
wind wis wonder word work worr writ yawn year yell yes youth zeal zon""".split()

SUFFIXES = """- s es ed ing er ers ly y ies ied ion ions ation ations ational ator ization izer ize ized izing al ally alism
ality ance ancy ence ency ent ently ant ment ments ement able ably ible ibility ful fully fulness less lessly ness nesses
ous ously ousness ive ively iveness ivity ic ical ically icate iciti ism ist ogist ogy ogies ogi ate ative eed eedly edly
ingly e ee ll le bli tional ss us 's s' 's' yed ying""".split()

SPECIAL = """a i by my eye yes yet sayer boy enjoy syzygy yyy yay say toying y' ' '' 's s' 'til 'twas don't o'clock skis skies dying
lying tying vying idly gently ugly early only singly sky news howe atlas cosmos bias andes inning innings outing outings
canning cannings herring herrings earring earrings evening evenings proceed proceeds proceeded exceed exceeding succeed
succeeds generate general generic generically generous communion communism arsenal arsenic arsenals pasted pasting paste
pasty past universe universal universities later lateral laterally emerge emergency organ organic organize interest
interned internal international added adding odd odds off offed ebbed ebbing egg egged egging inn inned err erred erring
aed ing eed eing bed red feed seed bleed agreed decreed hopped hopping hoped hoping luxuriated luxuriating sized siding
controlled controlling rolled rolling falling filing failing fizzed fizzing tanned tanning hissed hissing ties tied cries cried
dies die kiwis gas gaps this bus buses class classes abuses naïve naïvely café cafés cafés' façade façades über überly
élan élans señoritas coöperating coöperated straße мир мира 東京 東京s yéyé éyed éying øing øs aés éed öffing
queueing aeiou bcdfg ally illy alli fulli lessli ousli entli abli bli ogi logi xli cli tional ational tionally
relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli
vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti
triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic
adjustable defensible irritant replacement adjustment dependent adoption homologou communism activate angulariti homologous
effective bowdlerize probate rate cease controll roll""".split()


def vocabulary():
    rng = random.Random(3)
    words = dict.fromkeys(SPECIAL)
    for root in ROOTS:
        for suffix in rng.sample(SUFFIXES, 13):
            words["%s%s" % (root, "" if suffix == "-" else suffix)] = None
    # Made-up words with every order of vowels, consonants, y and suffixes.
    for _ in range(2_500):
        stem = "".join(rng.choice("aeiouyybcdfglmnprstwxz'") for _ in range(rng.randint(1, 7)))
        words[stem + rng.choice(SUFFIXES).replace("-", "") + rng.choice(["", "", rng.choice(SUFFIXES).replace("-", "")])] = None
    stemmer = Stemmer.Stemmer("english")
    return "".join(f"{word}\t{stemmer.stemWord(word)}\n" for word in words)


TEXTS = [
    "The pump of the second cooling circuit was replaced; pumps are inspected yearly.",
    "Cooling circuits: inspection, replacement and repair of pumps (see § 4.2).",
    "Valves and valve seats. Valves, valves, valves!",
    "A valve that leaks is not a leaking pump, but it will leak.",
    "the and of to", "", "x", "Ünïcödé naïve café CAFÉ Straße STRASSE", "İstanbul ve IŞIK ılık",
    "snake_case_identifiers and CamelCaseIdentifiers_2 v2 42 3.14 1e-9",
    "日本語のテキスト mixed with English words 日本", "e\u0301te\u0301 (combining) été (composed)",
    "It's the users' responsibility; don't re-inspect.", "½ cup ² squared Ⅷ eight ٣٤ digits",
    "naively organised organisations organise organs", "Running runners ran; generously general generations",
    "tabs\tand\nnew\r\nlines\u00a0and\u2003spaces", "hyphen-ated e-mail o'clock 😀 emoji👍🏽text",
    "inspected inspected inspected pump", "A longer passage about cooling, inspection, valves, and pumps, in which every word of "
    "interest stands once and the rest is padding that only makes the passage longer than all others here.",
]
QUERIES = [
    "cooling pump inspection", "leaking valves", "pump pump valve", "the", "", "café naïve", "unknownword",
    "日本", "identifiers 42", "organisation of runners", "inspecting", "été",
]


def lexical():
    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize(TEXTS, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
    queries = bm25s.tokenize(QUERIES, stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False)
    result = {"texts": TEXTS, "queries": QUERIES, "terms": tokens, "queryTerms": queries, "bm25": [], "tuned": [], "tfidf": []}
    for name, options in (("bm25", {}), ("tuned", {"k1": 0.9, "b": 0.4})):
        index = bm25s.BM25(**options)
        index.index(tokens, show_progress=False)
        for terms in queries:
            known = [term for term in terms if term in index.vocab_dict]
            scores = index.get_scores(known) if known else np.zeros(len(TEXTS))
            result[name].append([float(score) for score in scores])
    vectors, asked = tfidf(tokens, queries)
    result["tfidf"] = (asked @ vectors.T).toarray().tolist()
    return result


def tfidf(tokens, queries):
    vectorizer = TfidfVectorizer(analyzer=lambda terms: terms)
    return vectorizer.fit_transform(tokens), vectorizer.transform(queries)


def yardsticks(shared):
    result = {}
    for name in ("cranfield", "fae-10k", "fiqa-mini", "nfcorpus", "scifact", "xquad-de"):
        stemmer = Stemmer.Stemmer("german" if name == "xquad-de" else "english")
        stop_words = "german" if name == "xquad-de" else "en"
        folder = shared / "data" / name
        documents = [json.loads(line) for line in open(folder / "corpus.jsonl", encoding="utf-8")]
        ids = [document["_id"] for document in documents]
        texts = [(document.get("title", "") + " " + document["text"]).strip() for document in documents]
        texts_by_query = {q["_id"]: q["text"] for q in map(json.loads, open(folder / "queries.jsonl", encoding="utf-8"))}
        qrels = {}
        for line in list(open(folder / "qrels" / "test.tsv", encoding="utf-8"))[1:]:
            query, document, grade = line.split()
            qrels.setdefault(query, {})[document] = int(grade)
        names = list(qrels)
        tokens = bm25s.tokenize(texts, stopwords=stop_words, stemmer=stemmer, return_ids=False, show_progress=False)
        queries = bm25s.tokenize(
            [texts_by_query[query] for query in names], stopwords=stop_words, stemmer=stemmer, return_ids=False,
            show_progress=False)
        index = bm25s.BM25()
        index.index(tokens, show_progress=False)
        vectors, asked = tfidf(tokens, queries)
        runs = {"bm25": {}, "tfidf": {}}
        for row, query in enumerate(names):
            known = [term for term in queries[row] if term in index.vocab_dict]
            for system, scores in (
                ("bm25", index.get_scores(known) if known else np.zeros(len(ids))),
                ("tfidf", np.asarray((asked[row] @ vectors.T).todense()).ravel()),
            ):
                # Documents that share no term with the query are left out. The 1,000 best are in trec_eval's order.
                found = {ids[i]: float(scores[i]) for i in np.nonzero(scores)[0]}
                runs[system][query] = dict(trec_order(found)[:1000])
        result[name] = {}
        for system, run in runs.items():
            values = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "map"}).evaluate(run)
            judged = [query for query in names if any(grade > 0 for grade in qrels[query].values())]
            result[name][system] = {
                ours: sum(values.get(query, {}).get(theirs, 0.0) for query in judged) / len(judged)
                for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("Recall@100", "recall_100"), ("MAP", "map"))
            }
        result[name]["terms"] = sum(map(len, tokens))
    return result


def write(name, value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    (GOLDENS / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path("../shared"))
    arguments = parser.parse_args()
    versions = goldens.check("bm25s", "numpy", "pytrec-eval-terrier", "PyStemmer", "scikit-learn", "scipy")
    write("metrics.json", metrics())
    write("statistics.json", statistics())
    write("stems.tsv", vocabulary())
    write("lexical.json", lexical())
    if (arguments.shared / "data").is_dir():
        write("yardsticks.json", yardsticks(arguments.shared))
        goldens.record(GOLDENS, __file__, versions, "yardsticks.json")
    goldens.record(GOLDENS, __file__, versions, "metrics.json", "statistics.json", "stems.tsv", "lexical.json")
