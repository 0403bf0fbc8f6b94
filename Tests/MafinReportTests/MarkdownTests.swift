import MafinMethod
import MafinRetrieval
import Testing

@testable import MafinReport

/// The Markdown has the facts of the page.
@Suite struct MarkdownTests {
    private let facts = SampleFacts.whole()

    @Test func everyFigureIsThere() throws {
        let text = facts.markdown()
        for system in facts.systems {
            for metric in [SampleFacts.nDCG, .recall(cutoff: 100)] {
                #expect(text.contains(Number.mean(system.metrics[metric])), "\(system.name)")
                if let difference = system.difference?[metric] {
                    #expect(text.contains(Number.signed(difference.mean)))
                    if metric == facts.metric { #expect(text.contains(Number.probability(difference.pHolm))) }
                }
            }
            for result in system.subsets ?? [] { #expect(text.contains(Number.mean(result.metrics[facts.metric]))) }
            for figure in [
                system.known?.metrics[facts.metric], system.new?.metrics[facts.metric], system.development?.known,
                system.development?.new,
            ] {
                #expect(figure != nil && text.contains(Number.mean(figure)))
            }
        }
        for opponent in facts.headToHead?.opponents ?? [] {
            #expect(text.contains(Number.probability(opponent.difference.pHolm)))
        }
        for note in facts.verdict?.notes ?? [] { #expect(text.contains(note.inlineMarkdown)) }
    }

    @Test func rankingsHaveEveryPartAndTheirWords() throws {
        let text = facts.markdown()
        let examples = try #require(facts.examples)
        for example in examples.wins + examples.losses {
            #expect(text.contains("<summary>\(singleLine(example.query, 100).inlineMarkdown): "))
            for entry in example.systemRanking.prefix(5) {
                if let parts = entry.parts {
                    let numbers = parts.parts.map { Number.decimal($0.value) }
                    #expect(parts.parts.count == 4 && text.contains("\(numbers.joined(separator: " | ")) |"))
                }
            }
            for attribution in example.attributions ?? [] {
                #expect(text.contains("document \(attribution.documentId.inlineMarkdown) (leave-one-out)"))
            }
        }
        #expect(text.contains("## Scores") && facts.scoreHistograms?.isEmpty == false)
    }

    /// The chosen system may change no query. The examples are then another's, and say so.
    @Test func examplesOfAnotherSystemSayWhy() throws {
        let sentence = "changes no query, so "
        var facts = facts
        let shown = try #require(facts.examples?.system)
        facts.chosen?.name = shown
        #expect(!facts.markdown().contains(sentence) && !facts.html().contains(sentence))
        let other = try #require(facts.systems.first { $0.name != shown })
        facts.chosen?.name = other.name
        for text in [facts.markdown(), facts.html()] {
            #expect(text.contains("\(facts.title(of: other.name)) \(sentence)\(facts.title(of: shown)) is shown."))
        }
    }

    @Test func theChosenSystemAndItsCommandsAreThere() {
        let text = facts.markdown()
        for part in [
            "black box × 20.1", "local encoder × 11.5",
            "A query needs: the API, the local encoder, BM25 and the memory of queries",
            "mafin index REPORT/artefact", "mafin ship REPORT --system NAME", "Known documents (21 queries)",
            "New documents (39 queries)",
        ] {
            #expect(text.contains(part), "\(part)")
        }
    }

    @Test func theTerminalShowsKnownAndNewDocuments() throws {
        let text = try #require(facts.groupText())
        let lines = text.split(separator: "\n").map(String.init)
        #expect(
            lines[0].split(separator: " ") == ["nDCG@10", "known", "gain", "new", "gain", "dev", "known", "dev", "new"])
        #expect(lines.prefix(6).allSatisfy { $0.count <= 80 })
        for system in facts.systems {
            let line = try #require(lines.first { $0.hasPrefix("\(system.name) ") })
            for figure in [
                system.known?.metrics[facts.metric], system.new?.metrics[facts.metric], system.development?.known,
                system.development?.new,
            ] {
                #expect(line.contains(Number.mean(figure)))
            }
            if let gain = system.new?.difference?[facts.metric] { #expect(line.contains(Number.signed(gain.mean))) }
        }
        #expect(text.contains("New documents (39 queries): some relevant document was named by none; on average"))
        #expect(text.contains("(the default; --new-documents changes it). In test it is 65 %."))
        #expect(SampleFacts.minimal.groupText() == nil)
    }

    @Test func bordersOfHistograms() throws {
        let histogram = ScoreHistogramFacts(
            title: "t", edges: [0, 0.1, 0.2, 0.3],
            groups: [.init(name: "a", counts: [1, 8, 1]), .init(name: "b", counts: [0, 0, 0])])
        #expect(
            [0.1, 0.5, 0.9, 1].map { histogram.border(of: histogram.groups[0], share: $0) } == [0.1, 0.2, 0.2, 0.3])
        #expect(histogram.border(of: histogram.groups[1], share: 0.5) == nil)
    }
}
