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

    @Test func bordersOfHistograms() throws {
        let histogram = ScoreHistogramFacts(
            title: "t", edges: [0, 0.1, 0.2, 0.3],
            groups: [.init(name: "a", counts: [1, 8, 1]), .init(name: "b", counts: [0, 0, 0])])
        #expect(
            [0.1, 0.5, 0.9, 1].map { histogram.border(of: histogram.groups[0], share: $0) } == [0.1, 0.2, 0.2, 0.3])
        #expect(histogram.border(of: histogram.groups[1], share: 0.5) == nil)
    }
}
