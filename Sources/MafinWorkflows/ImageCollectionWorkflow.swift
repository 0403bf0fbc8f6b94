import Foundation
import MafinImages
import MafinNumerics
import MafinRetrieval

/// Makes a collection of a folder of class folders with images.
package struct ImageCollectionWorkflow: Sendable {
    /// The folder of class folders.
    package var folder: String
    /// Folder of the collection.
    package var output: String
    /// How it is made.
    package var plan: ImageFolder.Plan
    /// Whether images that cannot be decoded are left out, with a warning. Otherwise they are an error.
    package var skipsBroken = false
    package var context: WorkflowContext

    package init(folder: String, output: String, plan: ImageFolder.Plan, context: WorkflowContext) {
        (self.folder, self.output, self.plan, self.context) = (folder, output, plan, context)
    }

    /// What was made.
    package struct Result: Encodable, Sendable {
        package var output: String
        package var documents: Int
        package var queries: [String: Int]
        package var classes: [String: [String]]
        /// Files with the bytes of another one, which were left out.
        package var duplicates: Int
        /// Files that cannot be decoded, which were left out.
        package var broken: Int

        /// For a terminal.
        package var text: String {
            let parts = ["train", "dev", "test"].map { name in
                "\(name): \(queries[name] ?? 0) queries of \(classes[name]?.joined(separator: ", ") ?? "no class")"
            }
            return (["\(documents) documents"] + parts).joined(separator: "\n")
        }
    }

    /// - Throws: `RetrievalError`, `ImageError`, `NumericsError`, `CancellationError`.
    package func run() throws -> Result {
        let found = try ImageFolder(contentsOf: URL(fileURLWithPath: folder))
        if found.ignored > 0 {
            context.note("\(found.ignored) files are not named .png, .jpg or .jpeg and are left out")
        }
        let (broken, duplicates) = try checked(found)
        let kept = found.removing(Set(broken + duplicates))
        let alone = kept.classes.filter { $0.files.count < 2 }.map(\.name)
        if !alone.isEmpty {
            context.warn(
                "classes with one image, which is neither a query nor a document: \(alone.joined(separator: ", "))")
        }
        let layout = try kept.layout(plan)
        try context.checkCancellation()
        try ImageFolder.write(layout, plan: plan, to: URL(fileURLWithPath: output))
        return Result(
            output: output, documents: layout.documents.count,
            queries: Dictionary(uniqueKeysWithValues: layout.queries.map { ($0.split, $0.items.count) }),
            classes: layout.classes, duplicates: duplicates.count, broken: broken.count)
    }

    /// Decodes every image once. Of files with the same bytes the first counts.
    private func checked(_ folder: ImageFolder) throws -> (broken: [URL], duplicates: [URL]) {
        let files = folder.classes.flatMap { entry in entry.files.map { (entry.name, $0) } }
        let progress = context.beginProgress("Checking images", files.count, "images")
        defer { progress.finish() }
        let (block, isCancelled) = (256, context.isCancelled)
        var (broken, duplicates): ([(URL, String)], [URL]) = ([], [])
        var first: [String: (name: String, file: URL)] = [:]
        for start in stride(from: 0, to: files.count, by: block) {
            if isCancelled() { throw CancellationError() }
            let part = Array(files[start..<min(start + block, files.count)])
            let hashes = parallelMap(part.count) { row -> Swift.Result<String, any Error> in
                Swift.Result {
                    let image = try ItemImage(file: part[row].1, path: part[row].1.lastPathComponent)
                    _ = try image.pixels()
                    return image.contentHash
                }
            }
            for (entry, hash) in zip(part, hashes) {
                switch hash {
                case .failure(let error): broken.append((entry.1, "\(error)"))
                case .success(let hash):
                    guard let known = first[hash] else {
                        first[hash] = (entry.0, entry.1)
                        continue
                    }
                    duplicates.append(entry.1)
                    if known.name != entry.0 {
                        context.warn(
                            "\(entry.1.path) has the bytes of \(known.file.path), of another class; it is left out")
                    }
                }
            }
            progress.update(completed: min(start + block, files.count))
        }
        if let worst = broken.first {
            guard skipsBroken else {
                throw RetrievalError.badImageFolder(
                    path: folder.url.path,
                    reason: "\(broken.count) images cannot be read (--skip-broken leaves them out): \(worst.1)")
            }
            context.warn("\(broken.count) images cannot be read and are left out, for instance \(worst.1)")
        }
        if !duplicates.isEmpty {
            context.note("\(duplicates.count) images have the bytes of another one and are left out")
        }
        return (broken.map(\.0), duplicates)
    }
}
