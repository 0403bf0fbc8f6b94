import MafinComparison
import MafinMethod
import MafinPipeline
import MafinRetrieval

extension ReportPage {
    /// The top of the page: the verdict, the reason and the costs.
    var verdict: Markup {
        guard let verdict = facts.verdict else {
            return element("p", ["class": "overline"]) { overline.joined(separator: " · ") }
                + element("h1") { facts.title }
        }
        return element("p", ["class": "overline"]) {
            element("strong") { facts.title }
            " · " + overline.joined(separator: " · ")
        }
            + element("div", ["class": verdict.decision.rawValue]) {
                element("h1") {
                    element("span", ["class": "answer", "aria-hidden": "true"])
                    VerdictFacts.answer(verdict.decision, title(of: verdict.system))
                }
                element("p", ["class": "reason"]) { verdict.reason }
                if let composition { element("p", ["class": "lead"]) { composition } }
                if let notes = verdict.notes, !notes.isEmpty {
                    element("ul", ["class": "notes"]) { for note in notes { element("li") { note } } }
                }
            }
            + figures(verdict)
            + element("div", ["class": "split"]) {
                if let costs = verdict.costs {
                    factsTable(
                        "What it costs", note: costs.machine.map { "Measured on \($0)." },
                        Self.costTexts(costs).map { ($0, .text($1)) })
                }
                if let command = verdict.command {
                    element("div") {
                        element("h2", ["class": "small-heading"]) {
                            "The commands that \(verdict.decision == .ship ? "put" : "would put") it to use"
                        }
                        element("pre", ["tabindex": "0"]) { element("code") { command } }
                        if let others {
                            element("p", ["class": "note"]) { others.text }
                            element("pre", ["tabindex": "0"]) { element("code") { others.command } }
                        }
                    }
                }
            }
    }

    /// The sources of the chosen system with their weights, in a sentence; `nil` if they are not known.
    var composition: String? {
        facts.chosen?.weights.map { weights in
            let terms = zip(weights.sources, weights.values).map { "\($0.title) × \(Number.weight(Double($1)))" }
            return "Its score is \(terms.joined(separator: " + "))."
        }
    }

    /// How another system is shipped; `nil` if there is none.
    var others: (text: String, command: String)? {
        guard let verdict = facts.verdict, let command = verdict.commandForOthers,
            let names = verdict.shippable?.filter({ $0 != verdict.system }), !names.isEmpty
        else { return nil }
        return ("Other systems can be shipped too, the best on dev first: \(names.joined(separator: ", ")).", command)
    }

    /// What was measured and when, part by part.
    var overline: [String] {
        var parts = ["\(facts.split) split", "\(Number.count(facts.queries)) queries"]
        if facts.queriesWithoutRelevantDocument > 0 {
            parts.append(
                "\(Number.count(facts.queriesWithoutRelevantDocument)) without a relevant document are left out")
        }
        if let created = facts.created { parts.append(Self.time(created)) }
        return parts
    }

    /// `2026-11-24 04:00 UTC` for `2026-11-24T04:00:47Z`; any other text unchanged.
    static func time(_ text: String) -> String {
        guard text.utf8.count == 20, text.hasSuffix("Z"), let middle = text.firstIndex(of: "T") else { return text }
        return "\(text[..<middle]) \(text[text.index(after: middle)...].prefix(5)) UTC"
    }

    private func figures(_ verdict: VerdictFacts) -> Markup? {
        guard let system = facts.system(named: verdict.system), let after = system.metrics[facts.metric] else {
            return nil
        }
        let before = facts.system(named: facts.baseline)?.metrics[facts.metric]
        func figure(_ title: String, _ value: String, _ notes: String?) -> Markup {
            element("div") {
                element("dt") { title }
                element("dd") { value }
                if let notes { element("dd", ["class": "note"]) { notes } }
            }
        }
        return element("dl", ["class": "figures"]) {
            figure(
                facts.metric.description, before.map { "\(mean($0)) → \(mean(after))" } ?? mean(after),
                "\(title(of: facts.baseline)) → \(system.displayName)")
            if let tested = verdict.againstBlackBox?.difference {
                figure(
                    "Difference", signed(tested.mean),
                    "\(Self.intervalText(tested)), \(Number.probabilityInWords(tested.p)); not corrected")
            } else if let difference = system.difference?[facts.metric] {
                figure(
                    "Difference", signed(difference.mean),
                    "\(confidence) interval \(interval(difference)), \(Number.probabilityInWords(difference.pHolm)) after Holm’s correction"
                )
            }
            for (documents, gain) in [("known", verdict.known), ("new", verdict.new)] {
                if let gain {
                    figure(
                        "Difference, \(documents) documents", signed(gain.difference.mean),
                        "\(Self.intervalText(gain.difference)), \(Number.count(gain.queries)) queries")
                }
            }
            if let costs = verdict.costs, let milliseconds = costs.queryMilliseconds, let query = costs.query {
                figure(
                    "A query costs", Number.milliseconds(milliseconds),
                    "without the API’s answer; it needs \(query.needs)")
            }
            if let balance = facts.perQuery?.balance(of: system.name, against: facts.baseline, in: facts.metric) {
                figure(
                    "Queries better / equal / worse",
                    [balance.wins, balance.ties, balance.losses].map(Number.count).joined(separator: " / "), nil)
            }
        }
    }

    private static func intervalText(_ difference: PairedDifference) -> String {
        "95 % interval \(signed(difference.low)) … \(signed(difference.high))"
    }

    /// The costs by name, for the page and for Markdown.
    static func costTexts(_ costs: CostFacts) -> [(name: String, value: String)] {
        func change(_ change: CostFacts.Change, _ text: (Double) -> String) -> String {
            "\(text(change.before)) → \(text(change.after))"
        }
        let dimensions = costs.dimensions.map {
            let added = Int(($0.after - $0.before).rounded())
            let text = change($0) { Number.count(Int($0.rounded())) }
            return "\(added == 0 ? "none" : Number.count(added)) added: \(text)"
        }
        let tokens = costs.tokensToBuyAgain.map {
            $0 == 0 ? "none: the black box’s vectors are reused" : Number.count($0)
        }
        let rows = [
            ("A query needs", costs.query?.needs), ("Dimensions", dimensions),
            ("Vectors in memory", costs.indexBytes.map { change($0) { Number.bytes(Int($0)) } }),
            ("Search, per query", costs.searchMilliseconds.map { change($0, Number.milliseconds) }),
            ("Encoder, per query", costs.encoderMilliseconds.map(Number.milliseconds)),
            ("Tokens to buy again", tokens), ("Training, once", costs.trainingSeconds.map(Number.duration)),
        ]
        return rows.compactMap { name, value in value.map { (name, $0) } }
    }
}
