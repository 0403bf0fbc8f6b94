import Foundation
import MafinImages
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinBlackBox

@Suite struct KnownTextsTests {
    /// Gives each id its number, as stored vectors do.
    private struct Stored: BlackBox {
        let identity = BlackBoxIdentity(provider: "toy", model: "stored", dimension: 1, normalisation: .none)

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            Matrix(rows: items.count, columns: 1, values: items.map { Float($0.id.dropFirst()) ?? -1 })
        }
    }

    private struct Unknown: Error {}

    @Test func itemsAreFoundByTextAndByTheBytesOfTheirImages() async throws {
        func picture(_ number: Int, _ name: String) throws -> ItemImage {
            try ItemImage(bytes: TestPicture.patches(number, side: 8), name: name)
        }
        let known = KnownTexts(
            Stored(),
            queries: [
                EmbeddingItem(id: "q1", text: "A red  Bicycle"),
                EmbeddingItem(id: "q2", text: "", image: try picture(1, "images/1.png")),
                EmbeddingItem(id: "q3", text: "its caption", image: try picture(1, "images/1.png")),
            ], documents: [EmbeddingItem(id: "d4", text: "", image: try picture(2, "images/2.png"))],
            refusal: Unknown())
        let asked = [
            EmbeddingItem(id: "x", text: "", image: try picture(1, "upload")),
            EmbeddingItem(id: "y", text: "a red bicycle"),
            EmbeddingItem(id: "z", text: "Its Caption", image: try picture(1, "upload")),
        ]
        #expect(try await known.embed(asked, as: .query).values == [2, 1, 3])
        let document = EmbeddingItem(id: "x", text: "", image: try picture(2, "upload"))
        #expect(try await known.embed([document], as: .document).values == [4])
        // Images without texts are not all the same text.
        for item in [document, EmbeddingItem(id: "x", text: "its caption"), EmbeddingItem(id: "x", text: "")] {
            await #expect(throws: Unknown.self) { try await known.embed([item], as: .query) }
        }
    }
}
