/// What an image costs at a provider, and how large it may be.
///
/// ```toml
/// [images]
/// pixels_per_token = 560        # or tile = 512 with tokens_per_tile = 4000, or tokens = 258 for every image
/// maximum_pixels = 2000000      # larger images are reduced by the vendor and cost no more
/// maximum_bytes = 20000000
/// ```
public struct ImageFacts: Sendable, Hashable {
    /// Tokens of every image, whatever its size is.
    public let tokens: Int?
    /// Pixels that count as one token.
    public let pixelsPerToken: Double?
    /// Side of the squares in which images are counted, in pixels.
    public let tile: Int?
    /// Tokens of such a square, which counts whole.
    public let tokensPerTile: Int?
    /// Smaller images count as if they had so many pixels.
    public let minimumPixels: Int?
    /// Larger images count as if they had so many pixels, because the vendor reduces them.
    public let maximumPixels: Int?
    /// The most bytes of a file.
    public let maximumBytes: Int?

    init(_ table: inout ProfileTable) throws {
        tokens = try table.count("tokens")
        pixelsPerToken = try table.number("pixels_per_token")
        tile = try table.count("tile")
        tokensPerTile = try table.count("tokens_per_tile")
        minimumPixels = try table.count("minimum_pixels")
        maximumPixels = try table.count("maximum_pixels")
        maximumBytes = try table.count("maximum_bytes")
        if (tile == nil) != (tokensPerTile == nil) {
            throw table.fault("tile", "tile and tokens_per_tile must be given together")
        }
        if let pixelsPerToken, pixelsPerToken < 1 { throw table.fault("pixels_per_token", "expected at least 1") }
        if [tokens != nil, pixelsPerToken != nil, tile != nil].count(where: { $0 }) > 1 {
            throw table.fault("tokens", "give one of tokens, pixels_per_token and tile")
        }
    }

    /// Whether the vendor says what an image costs.
    public var tellsTokens: Bool { tokens != nil || pixelsPerToken != nil || tile != nil }

    /// Tokens of an image of this size; 0 if the vendor does not say.
    public func tokens(width: Int, height: Int) -> Int {
        if let tokens { return tokens }
        if let pixelsPerToken {
            let pixels = max(minimumPixels ?? 0, min(maximumPixels ?? .max, width * height))
            return Int((Double(pixels) / pixelsPerToken).rounded(.up))
        }
        guard let tile, let tokensPerTile else { return 0 }
        let tiles = ((width + tile - 1) / tile) * ((height + tile - 1) / tile)
        return min(tiles, maximumPixels.map { max(1, $0 / (tile * tile)) } ?? .max) * tokensPerTile
    }
}
