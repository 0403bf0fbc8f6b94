import Foundation
import MafinImages
import MafinNumerics

/// A folder of class folders, `FOLDER/class/*.jpg`: images of one class are relevant for each other.
///
/// A collection is made of it by choosing some images of each class as queries. All others are documents. An image has one of the two roles,
/// so that no query retrieves itself and no figure counts that.
public struct ImageFolder: Sendable {
    /// The images of one class.
    public struct Class: Sendable, Equatable {
        /// Name of the class: that of its folder.
        public var name: String
        /// The files, by name.
        public var files: [URL]
    }

    /// Which queries are learned from, chosen on and measured.
    public enum Split: Sendable, Equatable {
        /// The queries of every class are divided by these shares. All classes are in training.
        case images(train: Double, dev: Double, test: Double)
        /// So many classes are held out for dev and for test, with all their queries. Training knows none of their labels.
        case classes(dev: Int, test: Int)
    }

    /// How a collection is made.
    public struct Plan: Sendable, Equatable {
        /// Queries of each class; `nil`: a fifth of its images, at most 100.
        public var queriesPerClass: Int?
        /// Documents of each class at most; `nil`: all images that are not queries.
        public var documentsPerClass: Int?
        /// How queries are divided.
        public var split: Split
        /// Equal seeds and folders give equal collections.
        public var seed: UInt64

        /// A plan.
        public init(
            queriesPerClass: Int? = nil, documentsPerClass: Int? = nil,
            split: Split = .images(train: 0.6, dev: 0.2, test: 0.2), seed: UInt64 = 1
        ) {
            (self.queriesPerClass, self.documentsPerClass) = (queriesPerClass, documentsPerClass)
            (self.split, self.seed) = (split, seed)
        }
    }

    /// An image in its role.
    public struct Item: Sendable, Equatable {
        /// `class/file`, without the ending of the file, white space as `_`.
        public var id: String
        /// Name of its class.
        public var className: String
        /// Its file.
        public var file: URL
    }

    /// A collection of images.
    public struct Layout: Sendable, Equatable {
        /// The documents, by class.
        public var documents: [Item]
        /// The queries of each split.
        public var queries: [(split: String, items: [Item])]
        /// The classes whose queries are in each split.
        public var classes: [String: [String]]

        /// Whether roles, splits and classes are equal.
        public static func == (a: Layout, b: Layout) -> Bool {
            a.documents == b.documents && a.classes == b.classes && a.queries.map(\.split) == b.queries.map(\.split)
                && a.queries.map(\.items) == b.queries.map(\.items)
        }
    }

    /// The folder.
    public let url: URL
    /// Classes with at least one image, by name.
    public private(set) var classes: [Class]
    /// Files of class folders that are no PNG or JPEG by their names.
    public let ignored: Int

    /// Lists the images of a folder. None is opened.
    /// - Throws: ``RetrievalError``
    public init(contentsOf url: URL) throws {
        guard url.isFolder else {
            throw RetrievalError.missingFile(
                path: url.path, expected: "a folder with a folder of images for each class")
        }
        self.url = url
        let endings = Set(ImageFormat.allCases.flatMap(\.fileEndings))
        var (classes, ignored) = ([Class](), 0)
        do {
            for name in try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
            where !name.hasPrefix(".") {
                let folder = url.appendingPathComponent(name)
                guard folder.isFolder else { continue }
                let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                    .filter { !$0.hasPrefix(".") }.map { folder.appendingPathComponent($0) }
                let images = files.filter { endings.contains($0.pathExtension.lowercased()) }
                ignored += files.count - images.count
                if !images.isEmpty { classes.append(Class(name: name, files: images)) }
            }
        } catch {
            throw RetrievalError.unreadableFile(path: url.path, reason: "\(error)")
        }
        guard classes.count >= 2 else {
            throw RetrievalError.badImageFolder(
                path: url.path,
                reason:
                    "\(classes.count) folders with PNG or JPEG files in it; expected one for each class, at least two")
        }
        (self.classes, self.ignored) = (classes, ignored)
    }

    /// The same folder without some files.
    public func removing(_ files: Set<URL>) -> ImageFolder {
        var folder = self
        folder.classes = classes.map { Class(name: $0.name, files: $0.files.filter { !files.contains($0) }) }
            .filter { !$0.files.isEmpty }
        return folder
    }

    /// Chooses queries and documents, and divides the queries.
    /// - Throws: ``RetrievalError/badImageFolder(path:reason:)`` if a split would stay empty.
    public func layout(_ plan: Plan) throws -> Layout {
        var names = Set<String>()
        func item(_ file: URL, _ name: String) -> Item {
            let plain = "\(name)/\(file.deletingPathExtension().lastPathComponent)"
            let base = String(plain.map { $0.isWhitespace ? "_" : $0 })
            var (id, number) = (base, 2)
            while !names.insert(id).inserted {
                id = "\(base)-\(number)"
                number += 1
            }
            return Item(id: id, className: name, file: file)
        }
        var (documents, queries): ([Item], [(name: String, items: [Item])]) = ([], [])
        for (number, entry) in classes.enumerated() where entry.files.count >= 2 {
            // In the order of names, so that identifiers do not depend on the seed.
            var items = entry.files.map { item($0, entry.name) }
            var generator = RandomGenerator(seed: RandomGenerator.mix(plan.seed &+ UInt64(number)))
            items.shuffle(using: &generator)
            let wanted = plan.queriesPerClass ?? min(100, max(1, items.count / 5))
            let chosen = items.prefix(min(wanted, items.count - 1))
            queries.append((entry.name, Array(chosen)))
            let rest = items.dropFirst(chosen.count)
            documents += rest.prefix(plan.documentsPerClass ?? rest.count).sorted { $0.id < $1.id }
        }
        let parts = try divided(queries, plan)
        guard parts.allSatisfy({ !$0.items.isEmpty }) else {
            let empty = parts.filter(\.items.isEmpty).map(\.split).joined(separator: ", ")
            throw RetrievalError.badImageFolder(
                path: url.path, reason: "there are too few images for queries of \(empty)")
        }
        return Layout(
            documents: documents, queries: parts,
            classes: Dictionary(uniqueKeysWithValues: parts.map { ($0.split, Set($0.items.map(\.className)).sorted()) })
        )
    }

    private func divided(
        _ queries: [(name: String, items: [Item])], _ plan: Plan
    ) throws -> [(split: String, items: [Item])] {
        var parts: [[Item]] = [[], [], []]
        switch plan.split {
        case .images(let train, let dev, let test):
            precondition(train > 0 && dev > 0 && test > 0, "every split needs a share above 0")
            let total = train + dev + test
            for (_, items) in queries {
                let ends = [train, train + dev, total].map { Int(($0 / total * Double(items.count)).rounded()) }
                for (part, range) in [0..<ends[0], ends[0]..<ends[1], ends[1]..<ends[2]].enumerated() {
                    parts[part] += items[range]
                }
            }
        case .classes(let dev, let test):
            guard dev >= 1, test >= 1, dev + test < queries.count else {
                throw RetrievalError.badImageFolder(
                    path: url.path,
                    reason:
                        "\(dev) and \(test) of \(queries.count) classes cannot be held out; each split needs at least one"
                )
            }
            var generator = RandomGenerator(seed: plan.seed)
            let order = queries.indices.shuffled(using: &generator)
            for (place, index) in order.enumerated() {
                parts[place < test ? 2 : place < test + dev ? 1 : 0] += queries[index].items
            }
        }
        return zip(["train", "dev", "test"], parts).map { ($0, $1.sorted { $0.id < $1.id }) }
    }
}
