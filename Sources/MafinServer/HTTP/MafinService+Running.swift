import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import MafinNumerics
import NIOCore
import ServiceLifecycle
import UnixSignals

extension MafinService {
    /// Where the service listens, and how it stops.
    package struct Listening: Sendable {
        /// Host name or address.
        package var host: String
        /// Port; 0 lets the system choose.
        package var port: Int
        /// Certificate chain and private key, PEM; `nil`: plain HTTP.
        package var certificate: URL?
        /// Private key, PEM.
        package var privateKey: URL?
        /// A connection that is silent for so long is closed.
        package var idleTimeout: Duration = .seconds(75)
        /// Time between the first signal to end and refusing connections, so that load balancers notice.
        package var drainDelay: Duration = .zero
        /// Longest time that requests may take to end after that.
        package var drainTimeout: Duration = .seconds(60)
        /// Connections at a time.
        package var maximumConnections = 4096
        /// Whether the service handles signals: SIGTERM and SIGINT end it, SIGHUP reloads.
        package var handlesSignals = true

        package init(host: String = "127.0.0.1", port: Int = 8080) { (self.host, self.port) = (host, port) }

        fileprivate func certificates() throws -> CertificateSource? {
            guard let certificate, let privateKey else { return nil }
            return try CertificateSource(certificate: certificate, key: privateKey)
        }
    }

    /// Listens and answers until SIGTERM or SIGINT, then finishes running requests and returns.
    /// - Parameter onRunning: called with the port once requests are answered.
    /// - Throws: if the service cannot listen on the address, or certificate and key cannot be read.
    package func run(
        _ listening: Listening = Listening(), onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        let certificates = try listening.certificates()
        isSecure = certificates != nil
        let application = try application(listening, certificates, onRunning: onRunning)
        var quiet = Logger(label: "mafin.lifecycle")
        quiet.logLevel = .error
        var configuration = ServiceGroupConfiguration(
            services: [
                .init(service: Watcher(service: self, listening: listening, certificates: certificates)),
                .init(service: application, successTerminationBehavior: .gracefullyShutdownGroup),
                // Services end in the reverse order, so this one keeps the service open for a moment.
                .init(service: DrainGate(service: self, delay: listening.drainDelay)),
            ], gracefulShutdownSignals: listening.handlesSignals ? [.sigterm, .sigint] : [], logger: quiet)
        configuration.maximumGracefulShutdownDuration = listening.drainDelay + listening.drainTimeout
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as ServiceGroupError where error == .serviceFinishedUnexpectedly() {
            // Answers that took too long were cut off. Nothing is left to do for them.
        }
    }

    /// The service as Hummingbird runs it.
    private func application(
        _ listening: Listening, _ certificates: CertificateSource?,
        onRunning: @escaping @Sendable (Int) async -> Void = { _ in }
    ) throws -> some ApplicationProtocol {
        let watch = ConnectionWatch()
        let idle = TimeAmount.nanoseconds(Int64(listening.idleTimeout.inSeconds * 1e9))
        let plain = HTTPServerBuilder.http1(
            configuration: .init(additionalChannelHandlers: [watch.makeHandler()], idleTimeout: idle))
        let server = try certificates.map { try .tls(plain, tlsConfiguration: $0.configuration) } ?? plain
        var quiet = Logger(label: "mafin.http")
        quiet.logLevel = .critical
        return Application(
            responder: ServiceResponder(service: self, watch: watch), server: server,
            configuration: .init(
                address: .hostname(listening.host, port: listening.port), serverName: "mafin",
                backlog: 1024, availableConnectionsDelegate: MaximumAvailableConnections(listening.maximumConnections)),
            onServerRunning: { await onRunning($0.localAddress?.port ?? listening.port) }, logger: quiet)
    }

    /// Says that the service is ending, and waits until load balancers have seen it.
    private struct DrainGate: Service {
        let service: MafinService
        let delay: Duration

        func run() async throws {
            try? await gracefulShutdown()
            service.drain()
            service.log.note("ending: \(service.requestsInFlight) requests are being answered")
            try? await Task.sleep(for: delay)
        }
    }

    /// Reads keys, certificate and artefact again when their files change, or on SIGHUP.
    private struct Watcher: Service {
        let service: MafinService
        let listening: Listening
        let certificates: CertificateSource?

        func run() async throws {
            await cancelWhenGracefulShutdown {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await watchFiles() }
                    if listening.handlesSignals { group.addTask { await watchSignals() } }
                }
            }
        }

        private func watchSignals() async {
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                refresh()
                await service.reload()
            }
        }

        private func refresh() {
            for note in [service.keys.refresh(), certificates?.refresh()] { note.map { service.log.note($0) } }
        }

        private func watchFiles() async {
            // The files' state before the artefact was loaded, so that a file that has changed since is loaded now.
            var stamps = service.stamps
            while (try? await Task.sleep(for: .seconds(1))) != nil {
                refresh()
                let now = service.options.watched.map(FileStamp.init)
                // A file that is missing will probably be replaced soon.
                let hasChanged = now != stamps && !now.contains(nil)
                guard hasChanged || service.isReloadDue else { continue }
                if hasChanged { stamps = now }
                await service.reload()
            }
        }
    }
}
