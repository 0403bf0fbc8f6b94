import MafinRetrieval
import Testing

@Suite struct KnownDocumentsTests {
    private let train = Qrels([("t", "a", 1), ("t", "b", 2), ("t", "c", 0)])
    private let dev = Qrels([("u", "d", 1)])
    private let measured = Qrels([
        ("all known", "a", 1), ("all known", "d", 2), ("half known", "b", 1), ("half known", "z", 1),
        ("judged, not relevant", "c", 1), ("nothing relevant", "a", 0), ("unknown", "y", 1),
        // Only relevant documents count.
        ("known beside a wrong one", "a", 1), ("known beside a wrong one", "z", 0),
    ])

    @Test func aQueryIsKnownIfLearnedLabelsNameAllItsAnswers() {
        let (known, new) = measured.divided(byDocumentsOf: [train, dev])
        #expect(known == ["all known", "known beside a wrong one"])
        #expect(new == ["half known", "judged, not relevant", "unknown"])
        #expect(measured.divided(byDocumentsOf: [train]).known == ["known beside a wrong one"])
    }

    @Test func withoutLearnedLabelsEveryQueryIsNew() {
        let (known, new) = measured.divided(byDocumentsOf: [])
        #expect(known.isEmpty && new.count == 5)
    }

    /// The same division as that of the report, which knows copies.
    @Test func aCopyOfANamedDocumentIsNamed() {
        let identity = ContentIdentity(
            queries: [],
            documents: [("a", "How to file a claim."), ("y", "How to file a CLAIM"), ("z", "Other")].map {
                Document(id: $0.0, title: "", text: $0.1)
            })
        let (known, new) = measured.divided(byDocumentsOf: [train, dev], identity: identity)
        #expect(known.contains("unknown") && !new.contains("unknown"))
        let both = Qrels([("t", "a", 1), ("t", "b", 2), ("t", "c", 0), ("u", "d", 1)])
        let partition = QueryPartition(measured, learned: both, identity: identity)
        #expect(known == Set(partition.seenDocuments) && new == Set(partition.newDocuments))
    }
}
