import Foundation
import MafinBlackBox
import MafinImages
import MafinNumerics

extension RequestTemplate.Content {
    /// What an item consists of.
    init(_ item: EmbeddingItem) { self = item.image == nil ? .text : item.text.isEmpty ? .image : .imageWithText }

    /// The items of a call by what they consist of, because a request holds items of one kind.
    static func groups(of items: [EmbeddingItem]) -> [[Int]] {
        let kinds = items.map(RequestTemplate.Content.init)
        return [.text, .image, .imageWithText].map { kind in items.indices.filter { kinds[$0] == kind } }
            .filter { !$0.isEmpty }
    }
}

extension ProviderBlackBox {
    /// The form of requests for items of one kind.
    /// - Throws: `BlackBoxError.cannotReadImages` if the provider reads no such items.
    func form(for items: [EmbeddingItem], as role: TextRole, encoding: Int) throws -> BoundRequest {
        let content = items.first.map(RequestTemplate.Content.init) ?? .text
        let template: RequestTemplate? =
            switch content {
            case .text: profile.request.template
            case .image: profile.request.imageTemplate
            case .imageWithText: profile.request.imageTextTemplate
            }
        guard let template else {
            if content == .imageWithText, profile.request.imageTemplate != nil {
                throw BlackBoxError.cannotReadImagesWithTexts(
                    model: "\(profile.name):\(identity.model)", count: items.count, first: items.prefix(5).map(\.id))
            }
            try BlackBoxError.refuseImages(items, model: "\(profile.name):\(identity.model)")
            return exchange.form(for: role, identity: identity, encoding: encoding)
        }
        return exchange.form(for: role, identity: identity, encoding: encoding, template: template)
    }

    /// What each item adds to a request. The headers of images are read, to count their pixels.
    /// - Throws: `ImageError` for an image that is damaged, or larger than the vendor allows.
    func costs(of items: [EmbeddingItem], as role: TextRole, in form: BoundRequest) throws -> [ItemCost] {
        guard items.contains(where: { $0.image != nil }) else {
            return costs(of: items.map(\.text), as: role, in: form)
        }
        let texts = costs(of: items.map(\.text), as: role, in: form)
        let facts = profile.images
        return try zip(items, texts).map { item, text in
            guard let image = item.image else { return text }
            if let limit = facts.maximumBytes, image.byteCount > limit {
                throw ImageError.tooManyBytes(name: image.name, bytes: image.byteCount, limit: limit)
            }
            var tokens = facts.tokens ?? 0
            if facts.pixelsPerToken != nil || facts.tile != nil {
                let size = try ImageReader.size(of: image.bytes(), name: image.name)
                tokens = facts.tokens(width: size.width, height: size.height)
            }
            let hasText = !item.text.isEmpty
            let encoded = (image.byteCount + 2) / 3 * 4 + "data:image/jpeg;base64,".utf8.count
            return ItemCost(
                tokens: tokens + (hasText ? text.tokens : 0),
                maximumTokens: tokensAsPaid(tokens) + (hasText ? text.maximumTokens : 0),
                bytes: form.length(ofEscaped: encoded + JSONText.escapedLength(of: item.text)))
        }
    }

    /// Whether images have a price of their own, so that the server's count of tokens says nothing about it.
    var paysPerImage: Bool { profile.price.perImage != nil }

    /// Tokens that cost as much as an image: its own, or those that its price would buy.
    private func tokensAsPaid(_ tokens: Int) -> Int {
        let price = spendingLimit.pricePerMillionTokens ?? profile.price.perMillionTokens
        guard let perImage = profile.price.perImage, let price, price > 0 else { return tokens }
        return Int((perImage / price * 1e6).rounded(.up))
    }

    /// The parts of an item as a request holds them.
    /// - Throws: `ImageError` if the image cannot be read, or has changed since its hash was taken.
    func parts(of item: EmbeddingItem, prefix: String, in form: BoundRequest) throws -> [String] {
        try form.places.map { place in
            switch place {
            case .image: try item.image?.dataURL() ?? ""
            case .imageBase64: try item.image?.bytes().base64EncodedString() ?? ""
            default: prefix + item.text
            }
        }
    }
}
