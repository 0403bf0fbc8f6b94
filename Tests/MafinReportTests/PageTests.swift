import Foundation
import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import Testing

@testable import MafinReport

@Suite struct PageTests {
    private let facts = SampleFacts.whole()

    private func page(_ facts: ComparisonFacts) throws -> PageTree.Node { try PageTree(facts.html()).root }

    @Test func everySectionIsThereInOrder() throws {
        let page = try page(facts)
        #expect(
            page.all("section").compactMap { $0.attributes["id"] } == [
                "systems", "head-to-head", "groups", "offline", "queries", "examples", "training", "lambda",
                "learning-curve",
                "scores", "data",
                "quality", "provenance", "left-out",
            ])
        #expect(page.all("h1").map(\.text) == ["Ship Mafin + BM25"])
        // The answer comes before everything else.
        #expect(page.descendants.first { ["h1", "h2", "table", "svg"].contains($0.name) }?.name == "h1")
    }

    @Test func absentFactsHaveNoSection() throws {
        let page = try page(SampleFacts.minimal)
        #expect(page.all("section").compactMap { $0.attributes["id"] } == ["systems"])
        #expect(page.all("h1").map(\.text) == ["Nothing but means"])
        #expect(page.all("svg").isEmpty)
    }

    /// The curve has each point's shares and figures, and the threshold with the fewest questions that lose almost nothing.
    @Test func whatAskingBringsIsPlotted() throws {
        let section = try #require(try page(facts).all("section").first { $0.attributes["id"] == "offline" })
        #expect(section.text.contains("Without asking the API, little is lost."))
        #expect(section.text.contains("Mafin + BM25") && section.all("svg").count == 2)
        for text in ["46 %", ".551", "50 %", ".560"] { #expect(section.text.contains(text), "\(text)") }
        #expect(facts.offline?.curve?.recommended?.development.threshold == 0.5)
        #expect(facts.figures().map(\.name).contains("asking"))
        #expect(facts.markdown().contains("## Without asking the API, nDCG@10"))
        #expect(facts.markdown().contains("BM25 with questions ranked by Mafin + BM25."))
        var without = facts
        without.offline?.curve = nil
        #expect(
            !without.figures().map(\.name).contains("asking") && !without.markdown().contains("questions ranked by"))
    }

    @Test func missingSectionsAreListed() throws {
        var facts = facts
        (facts.learningCurve, facts.leaks, facts.examples) = (nil, nil, nil)
        let left = try #require(try page(facts).all("section").first { $0.attributes["id"] == "left-out" })
        #expect(left.all("th").map(\.text) == ["nudge-n", "Wins and losses", "Learning curve", "Leaks"])
    }

    /// The chosen system needs no encoder, and none was trained.
    @Test func aSystemWithoutAnEncoderHasItsReport() throws {
        var facts = facts
        (facts.trainingCurves, facts.lambdaSweeps, facts.learningCurve) = (nil, nil, nil)
        facts.verdict?.costs?.query = .init([.blackBox, .bm25])
        facts.verdict?.costs?.encoderMilliseconds = nil
        facts.chosen?.weights = SourceWeights([(.blackBox, 20), (.bm25, 0.5)])
        for index in facts.systems.indices { facts.systems[index].seeds = nil }
        for index in facts.examples?.wins.indices ?? 0..<0 { facts.examples?.wins[index].attributions = nil }
        let page = try page(facts)
        let sections = page.all("section").compactMap { $0.attributes["id"] }
        #expect(!sections.contains("training") && !sections.contains("lambda") && sections.contains("examples"))
        let header = page.all("header")[0].text
        #expect(
            header.contains("0.92 ms") && header.contains("the API and BM25") && !header.contains("Encoder, per query"))
        #expect(header.contains("Its score is black box × 20.0 + BM25 × .500."))
        let left = try #require(page.all("section").last)
        #expect(left.text.contains("No encoder was trained."))
        #expect(facts.seedNote == nil && !facts.markdown().contains("one seed"))
    }

    @Test func identifiersAreUniqueAndReferencesLead() throws {
        let nodes = try page(facts).descendants
        let identifiers = nodes.compactMap { $0.attributes["id"] }
        #expect(Set(identifiers).count == identifiers.count)
        let targets = Set(identifiers)
        for node in nodes {
            if let link = node.attributes["href"], link.hasPrefix("#") {
                #expect(targets.contains(String(link.dropFirst())), "\(link) leads nowhere")
            }
            for name in (node.attributes["aria-labelledby"] ?? "").split(separator: " ") {
                #expect(targets.contains(String(name)), "\(name) names nothing")
            }
        }
    }

    @Test func headingsGoDownOneLevelAtATime() throws {
        let levels = try page(facts).descendants.compactMap { node in
            node.name.count == 2 && node.name.hasPrefix("h") ? Int(node.name.dropFirst()) : nil
        }
        #expect(levels.first == 1)
        #expect(levels.count { $0 == 1 } == 1)
        for (previous, next) in zip(levels, levels.dropFirst()) { #expect(next <= previous + 1) }
    }

    @Test func tablesHaveCaptionsAndHeads() throws {
        let tables = try page(facts).all("table")
        #expect(tables.count > 8)
        for table in tables {
            #expect(table.children.first?.name == "caption" && !table.all("caption")[0].text.isEmpty)
            #expect(table.all("th").allSatisfy { ["row", "col"].contains($0.attributes["scope"]) })
            for row in table.all("tbody")[0].all("tr") { #expect(row.children.first?.name == "th") }
            let widths = Set(table.all("tr").map(\.children.count))
            #expect(widths.count == 1, "rows of \(widths) cells in \(table.all("caption")[0].text)")
            // It scrolls in its own box, which can be reached with the keyboard.
            #expect(
                table.parent?.attributes["tabindex"] == "0" && table.parent?.attributes["aria-label"]?.isEmpty == false)
        }
    }

    /// A figure is drawn for wide and for narrow screens, but has one name, whether or not the style sheet hides one of its drawings.
    @Test func eachFigureHasOneName() throws {
        let page = try page(facts)
        let figures = page.all("figure").flatMap { figure in
            figure.descendants.filter { $0.classes.contains("drawing") }
        }
        #expect(figures.count == 11)
        for figure in figures {
            #expect(figure.attributes["role"] == "img" && (figure.attributes["aria-label"] ?? "").contains(". "))
            let drawings = figure.all("svg")
            #expect(drawings.count == 2)
            for drawing in drawings {
                #expect(drawing.attributes["aria-hidden"] == "true" && drawing.attributes["role"] == nil)
                #expect(!drawing.children.contains { ["title", "desc"].contains($0.name) })
            }
        }
    }

    /// Whatever the texts of a collection contain, the browser runs only the page's own script.
    @Test(arguments: [false, true]) func policyAllowsNothingButItsOwn(isHostile: Bool) throws {
        let page = try page(isHostile ? SampleFacts.whole(foreign: Hostile.mangled) : facts)
        let head = page.all("head")[0]
        let policy = try #require(
            head.all("meta").first { $0.attributes["http-equiv"] == "Content-Security-Policy" }?.attributes["content"])
        #expect(policy.hasPrefix("default-src 'none'; ") && !policy.contains("unsafe"))
        for (name, directive) in [("style", "style-src"), ("script", "script-src")] {
            let element = try #require(page.all(name).first)
            #expect(page.all(name).count == 1)
            let digest = Data(ContentHash.sha256(Data(element.text.utf8))).base64EncodedString()
            #expect(policy.contains("\(directive) 'sha256-\(digest)'"))
        }
        // The content security policy comes first, and the page needs nothing that it forbids.
        #expect(head.children.firstIndex { $0.attributes["http-equiv"] != nil } ?? 9 < 2)
        #expect(page.descendants.allSatisfy { $0.attributes["style"] == nil })
    }

    @Test func nothingComesFromTheNetwork() throws {
        let page = try page(facts)
        for node in page.descendants {
            // The digests of a policy are in base64, which can contain slashes.
            for (name, value) in node.attributes where !name.hasPrefix("xmlns") && !value.hasPrefix("default-src") {
                #expect(!value.contains("//"), "\(node.name) \(name)=\(value)")
            }
            #expect(node.attributes["src"] == nil)
            #expect(node.attributes.keys.allSatisfy { !$0.hasPrefix("on") })
        }
        for node in page.all("style") + page.all("script") {
            #expect(!node.text.contains("//") && !node.text.contains("url(") && !node.text.contains("@import"))
        }
    }

    /// Every number of the facts, as the page writes it.
    @Test func everyFigureIsThere() throws {
        let page = try page(facts)
        func text(_ id: String) throws -> String {
            try #require(page.all("section").first { $0.attributes["id"] == id }).text
        }
        let systems = try text("systems")
        let groups = try text("groups")
        let means = [SampleFacts.nDCG, .recall(cutoff: 100)]
        for system in facts.systems {
            for metric in means {
                #expect(systems.contains(Number.mean(system.metrics[metric])))
                if let difference = system.difference?[metric] {
                    #expect(systems.contains(signed(difference.mean)))
                    if metric == facts.metric {
                        #expect(systems.contains("\(signed(difference.low)) … \(signed(difference.high))"))
                        #expect(systems.contains(Number.probability(difference.pHolm)))
                        #expect(systems.contains("p \(Number.probability(difference.p))"))
                    }
                }
            }
            for value in system.seeds?[facts.metric]?.values ?? [] { #expect(systems.contains(Number.mean(value))) }
            let twinless = system.subsets?.first.map {
                GroupResult(queries: 58, metrics: $0.metrics, difference: $0.difference)
            }
            for case let result? in [system.known, system.new, twinless] {
                #expect(groups.contains(Number.mean(result.metrics[facts.metric])))
                if let difference = result.difference?[facts.metric] {
                    #expect(groups.contains("\(signed(difference.low)) … \(signed(difference.high))"))
                }
            }
            for figure in [system.development?.mean, system.development?.known, system.development?.new] {
                #expect(groups.contains(Number.mean(figure)))
            }
            #expect(systems.contains(Number.duration(seconds: system.seconds ?? -1)))
        }
        for text in [
            "Weights were fitted and systems chosen for 25 % of queries about new documents (the default; --new-documents changes it)",
            "In test it is 65 %", "on average, labels named 38 % of", "21 queries", "39 queries",
        ] {
            #expect(groups.contains(text), "\(text)")
        }
        #expect(systems.contains("+.019"))  // the smallest gain that could have been shown
        let header = page.all("header")[0].text
        for figure in [
            "+.123", "+.046", "+.092 … +.156", "21 queries", "39 queries", "4.3 ms",
            "the API, the local encoder, BM25 and the memory of queries", "black box × 20.1", "BM25 × .438",
            "memory of queries, medium × 140", "mafin ship REPORT --system NAME", "mafin, bm25",
            "384 added: 1,536 → 1,920", "19.9 MiB → 24.9 MiB", "0.61 ms → 0.92 ms", "3.4 ms", "none", "4 min 5 s",
            "two cores",
        ] {
            #expect(header.contains(figure), "\(figure)")
        }
        let learning = try text("learning-curve")
        let curve = try #require(facts.learningCurve)
        for point in curve.measured + (curve.foreseen ?? []) {
            #expect(learning.contains(Number.count(point.queries)))
            #expect(learning.contains("\(signed(point.low)) … \(signed(point.high))"))
        }
        let examples = try text("examples")
        for example in (facts.examples?.wins ?? []) + (facts.examples?.losses ?? []) {
            #expect(examples.contains(signed(example.change)))
            #expect(examples.contains("\(Number.mean(example.baselineValue)) → \(Number.mean(example.systemValue))"))
        }
        for figure in ["3,633", "110,575", "106,535", "12,334", "576", "from 12 to 951"] {
            #expect(try text("data").contains(figure), "\(figure)")
        }
        for figure in ["7 pairs were found; the user chose to measure anyway", "93 %", "41 were found"] {
            #expect(try text("quality").contains(figure), "\(figure)")
        }
        for figure in ["0.00015", "0.1.0", "27 min 10 s", String(repeating: "a1", count: 32), "--seeds 3"] {
            #expect(try text("provenance").contains(figure), "\(figure)")
        }
        #expect(try text("lambda").contains("λ = .452, fitted by likelihood on dev"))
        let plot = try #require(page.all("figure").first { $0.text.contains("is better and worse than") })
        let balance = try #require(facts.perQuery?.balance(of: "mafin", against: "black-box", in: SampleFacts.nDCG))
        #expect(plot.text.contains("Mafin: better \(balance.wins), equal \(balance.ties), worse \(balance.losses)"))
    }

    @Test func barsShowEveryPartInOrder() throws {
        let facts = SampleFacts.examples()
        let bars = ScoreBars(facts.wins[0])
        let ranking = facts.wins[0].systemRanking
        var longest = 0.0
        for (a, b) in zip(ranking, ranking.dropFirst()) {
            let lengths = [a, b].map { entry in
                let segments = bars.segments(entry, isBaseline: false)
                for (left, right) in zip(segments, segments.dropFirst()) { #expect(left.end == right.start) }
                #expect(segments.allSatisfy { $0.end > $0.start })
                return segments.last?.end ?? 0
            }
            longest = max(longest, lengths[0], lengths[1])
            // The lengths differ in proportion to the totals.
            let totals = [a, b].map { $0.parts?.total ?? 0 }
            #expect((totals[0] < totals[1]) == (lengths[0] < lengths[1] - 1e-12))
        }
        #expect(longest <= 1 + 1e-12)
        #expect(bars.segments(ranking[0], isBaseline: true).allSatisfy { $0.source == .blackBox })
    }

    /// Every source has a colour of its own and its name in the legend, however many there are.
    @Test func everySourceIsInTheLegend() throws {
        let examples = try #require(facts.examples)
        let section = try #require(try page(facts).all("section").first { $0.attributes["id"] == "examples" })
        let legend = section.descendants.filter { $0.classes.contains("keys") }.flatMap { $0.all("li") }
        #expect(legend.map(\.text) == ["black box", "local encoder", "BM25", "memory of queries, medium"])
        let colors = examples.sources.map { ReportPage.color(of: $0, among: examples.sources) }
        #expect(Set(colors).count == 4)
        let shown = Set(section.all("rect").flatMap(\.classes)).intersection(colors)
        #expect(shown == Set(colors))
        let first = try #require(examples.wins[0].systemRanking[0].parts)
        #expect(first.parts.count == 4)
        for part in first.parts {
            let number = Number.typographic(Number.withoutLeadingZero(Number.decimal(part.value)))
            #expect(section.text.contains("\(part.source.title) \(number)"))
        }
    }

    @Test func sortingHasTheFiguresAtFullPrecision() throws {
        let table = try #require(try page(facts).all("table").first { $0.classes.contains("sortable") })
        let values = table.all("tbody")[0].all("tr").compactMap { $0.children[1].attributes["data-value"] }
        #expect(values.map { Double($0) } == facts.systems.map { $0.metrics[SampleFacts.nDCG] })
    }

    /// For the headless browser: `make test-pages` opens what this writes.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["MAFIN_PAGES"] != nil, "MAFIN_PAGES names no folder"))
    func pagesForABrowser() throws {
        let folder = URL(fileURLWithPath: try #require(ProcessInfo.processInfo.environment["MAFIN_PAGES"]))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var refused = SampleFacts.whole(queries: 1500)
        refused.verdict?.decision = .cannotTell
        for (name, facts) in [
            ("whole", facts), ("minimal", SampleFacts.minimal),
            ("hostile", SampleFacts.whole(foreign: Hostile.mangled)),
            ("many-queries", refused),
        ] {
            try Data(facts.html().utf8).write(to: folder.appendingPathComponent("\(name).html"))
        }
    }
}
