/// The profiles that come with the library, in the format in which users write theirs.
///
/// Numbers are the vendors' own if a source is named; lines marked "unverified" are what is commonly said. A file with the same name can
/// override all of it (``ProfileCatalog``). Profiles contain no prices.
enum BuiltInProfiles {
    static let texts = [
        #"""
        # Source: openai/openai-openapi 2026-08, CreateEmbeddingRequest.
        name = "openai"
        title = "OpenAI, and with --base-url any server that speaks its /v1/embeddings"

        [endpoint]
        base_url = "https://api.openai.com/v1"
        root = "/v1"
        path = "/embeddings"
        key_variables = ["OPENAI_API_KEY"]
        # For accounts with several organisations (unverified):
        # headers = { OpenAI-Organization = "${OPENAI_ORG_ID}", OpenAI-Project = "${OPENAI_PROJECT_ID}" }

        [request]
        body = '''{"input":"$texts","model":"$model","dimensions":"$dimensions","encoding_format":"$encoding"}'''
        encodings = ["base64", "float"]

        [answer]
        vectors = ["data[].embedding"]
        index = ["data[].index"]
        tokens = ["usage.total_tokens", "usage.prompt_tokens"]

        [limits]
        items = 2048
        tokens = 300000
        text_tokens = 8192          # some sources say 8191 (unverified)

        [vectors]
        unit_length = "always"

        [price]
        batch_discount = 0.5

        [batch]
        files_path = "/files"
        batches_path = "/batches"
        request_path = "/v1/embeddings"
        items = 50000
        lines = 50000
        bytes = 200000000
        window = "24h"

        [chat]
        dialect = "openai"
        batch_request_path = "/v1/chat/completions"
        endpoint = { path = "/chat/completions" }

        [[model]]
        match = "text-embedding-3-small"
        vectors = { native_dimension = 1536 }

        [[model]]
        match = "text-embedding-3-large"
        vectors = { native_dimension = 3072 }

        [[model]]
        match = "text-embedding-ada-002"
        vectors = { native_dimension = 1536 }
        """#,
        #"""
        # Source: learn.microsoft.com, Azure OpenAI, embeddings (v1). The model is the name of the deployment.
        name = "azure"
        extends = "openai"
        title = "Azure OpenAI, v1 addresses: --base-url https://RESOURCE.openai.azure.com, the model is the deployment"

        [endpoint]
        base_url = ""
        root = "/openai/v1"
        key_variables = ["AZURE_OPENAI_API_KEY"]
        key_header = "api-key"      # for Entra tokens: key_header = "authorization", key_format = "Bearer $key"
        key_format = "$key"
        """#,
        #"""
        # Source: learn.microsoft.com; openai-python lib/azure.py. The deployment stands in the path.
        name = "azure-classic"
        extends = "azure"
        title = "Azure OpenAI, addresses with deployment and api-version"

        [endpoint]
        root = "/openai"
        path = "/deployments/$model/embeddings"
        query = "api-version=2024-10-21"

        [request]
        body = '''{"input":"$texts","dimensions":"$dimensions","encoding_format":"$encoding"}'''

        [chat]
        batch_request_path = ""
        dialect = "openai"
        endpoint = { path = "/deployments/$model/chat/completions" }

        [batch]
        files_path = ""             # or it would inherit azure's: Azure makes batches at its v1 addresses only
        """#,
        #"""
        # Source: cohere-developer-experience 2026-08, cohere-openapi.yaml; rate-limits.mdx.
        name = "cohere"
        title = "Cohere v2"

        [endpoint]
        base_url = "https://api.cohere.com/v2"
        root = "/v2"
        path = "/embed"
        key_variables = ["CO_API_KEY", "COHERE_API_KEY"]

        [request]
        # NONE: texts that are too long are refused, not cut without an error.
        body = '''{"model":"$model","texts":"$texts","input_type":"$input_type","embedding_types":["$encoding"],"output_dimension":"$dimensions","truncate":"NONE"}'''
        encodings = ["base64", "float"]
        query_type = "search_query"
        document_type = "search_document"

        [answer]
        vectors = ["embeddings.base64[]", "embeddings.float[]"]
        index = []
        tokens = ["meta.billed_units.input_tokens"]

        [limits]
        items = 96
        requests_per_minute = 2000  # counted in texts, trial and production alike
        items_are_requests = true

        [vectors]
        unit_length = "unknown"

        # Images: docs.cohere.com, multimodal embeddings; docs.aws.amazon.com, Cohere Embed v4. An image of 2,458,624 pixels, to which larger
        # ones are reduced, is 3136 patches of 28 × 28 pixels; that a patch is a token is unverified.
        [[model]]
        match = "embed-v4*"
        vectors = { native_dimension = 1536, dimensions = [256, 512, 1024, 1536] }
        limits = { text_tokens = 128000 }
        answer = { tokens = ["meta.billed_units.image_tokens", "meta.billed_units.input_tokens"] }
        images = { pixels_per_token = 784, minimum_pixels = 3136, maximum_pixels = 2458624, maximum_bytes = 5000000 }

        [model.request]
        image_body = '''{"model":"$model","inputs":[{"content":[{"type":"image_url","image_url":{"url":"$image"}}]}],"input_type":"$input_type","embedding_types":["$encoding"],"output_dimension":"$dimensions"}'''
        image_text_body = '''{"model":"$model","inputs":[{"content":[{"type":"text","text":"$text"},{"type":"image_url","image_url":{"url":"$image"}}]}],"input_type":"$input_type","embedding_types":["$encoding"],"output_dimension":"$dimensions","truncate":"NONE"}'''

        [[model]]
        match = "embed-*-v3.0"
        limits = { text_tokens = 512 }
        vectors = { native_dimension = 1024 }           # unverified

        [[model]]
        match = "embed-*-light-v3.0"
        vectors = { native_dimension = 384 }            # unverified
        """#,
        #"""
        # Source: voyageai-python 2026-07, embedding.py and util.py; docs.voyageai.com.
        name = "voyage"
        title = "Voyage AI"

        [endpoint]
        base_url = "https://api.voyageai.com/v1"
        base_url_of_keys = { al- = "https://ai.mongodb.com/v1" }
        root = "/v1"
        path = "/embeddings"
        key_variables = ["VOYAGE_API_KEY"]

        [request]
        body = '''{"input":"$texts","model":"$model","input_type":"$input_type","truncation":false,"output_dimension":"$dimensions","encoding_format":"$encoding"}'''
        encodings = ["base64", ""]
        query_type = "query"
        document_type = "document"

        [limits]
        items = 1000
        tokens = 120000             # of the strictest models; see below
        text_tokens = 32000

        [vectors]
        unit_length = "always"      # unverified

        [tokens]
        bytes_per_token = 1.5       # on code and mixed text its tokenizer makes 3-4 times as many tokens as OpenAI's

        [price]
        batch_discount = 0.33

        [[model]]
        match = "voyage-3*"
        limits = { tokens = 320000 }
        vectors = { native_dimension = 1024, dimensions = [256, 512, 1024, 2048] }

        [[model]]
        match = "voyage-4*"
        limits = { tokens = 320000 }
        vectors = { native_dimension = 1024, dimensions = [256, 512, 1024, 2048] }   # native: unverified

        # Source: docs.voyageai.com, multimodal embeddings and its API reference. The answer is the same as for texts.
        [[model]]
        match = "voyage-multimodal-*"
        endpoint = { path = "/multimodalembeddings" }
        limits = { tokens = 320000 }
        vectors = { native_dimension = 1024, dimensions = [256, 512, 1024, 2048] }   # only 3.5 can be shortened
        # At most 16 million pixels and 20 MB an image; 560 pixels are a token. Prices count at least 50,000 and at most 2 million pixels.
        images = { pixels_per_token = 560, minimum_pixels = 50000, maximum_pixels = 2000000, maximum_bytes = 20000000 }

        [model.request]
        body = '''{"inputs":[{"content":[{"type":"text","text":"$text"}]}],"model":"$model","input_type":"$input_type","truncation":false,"output_dimension":"$dimensions","output_encoding":"$encoding"}'''
        image_body = '''{"inputs":[{"content":[{"type":"image_base64","image_base64":"$image"}]}],"model":"$model","input_type":"$input_type","truncation":false,"output_dimension":"$dimensions","output_encoding":"$encoding"}'''
        image_text_body = '''{"inputs":[{"content":[{"type":"text","text":"$text"},{"type":"image_base64","image_base64":"$image"}]}],"model":"$model","input_type":"$input_type","truncation":false,"output_dimension":"$dimensions","output_encoding":"$encoding"}'''

        [[model]]
        match = "voyage-*-lite"
        limits = { tokens = 1000000 }

        [[model]]
        match = "voyage-*large*"
        limits = { tokens = 120000 }
        """#,
        #"""
        # Source: ai.google.dev/api/embeddings; googleapis/python-genai 2026-08.
        name = "gemini"
        title = "Google Gemini"

        [endpoint]
        base_url = "https://generativelanguage.googleapis.com/v1beta"
        root = "/v1beta"
        path = "/models/$model:batchEmbedContents"
        key_variables = ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
        key_header = "x-goog-api-key"
        key_format = "$key"

        [request]
        body = '''{"requests":[{"model":"models/$model","content":{"parts":[{"text":"$text"}]},"taskType":"$input_type","outputDimensionality":"$dimensions"}]}'''
        query_type = "RETRIEVAL_QUERY"
        document_type = "RETRIEVAL_DOCUMENT"

        [answer]
        vectors = ["embeddings[].values"]
        index = []

        [limits]
        items = 100
        text_tokens = 2048          # of gemini-embedding-001
        requests_per_minute = 3000  # reported, not stated; the free tier has 100
        items_are_requests = true

        [vectors]
        native_dimension = 3072
        unit_length = "native"      # shorter outputs are not of unit length

        [chat]                      # at the addresses that are compatible with OpenAI's API
        dialect = "openai"
        endpoint = { base_url = "https://generativelanguage.googleapis.com/v1beta/openai", root = "/v1beta/openai", path = "/chat/completions", key_header = "authorization", key_format = "Bearer $key" }

        # gemini-embedding-2 is said to take its task as an instruction in the text (unverified); if so, write in your own file:
        # [[model]]
        # match = "gemini-embedding-2*"
        # request = { query_type = "", document_type = "", query_prefix = "…", document_prefix = "…" }
        """#,
        #"""
        # Source: mistralai/client-python 2026-06; semantic-router#297.
        name = "mistral"
        title = "Mistral"

        [endpoint]
        base_url = "https://api.mistral.ai/v1"
        root = "/v1"
        path = "/embeddings"
        key_variables = ["MISTRAL_API_KEY"]

        [request]
        body = '''{"model":"$model","input":"$texts","output_dimension":"$dimensions","encoding_format":"$encoding"}'''
        encodings = ["base64", "float"]

        [limits]
        items = 64                  # 512 is the hard limit
        tokens = 16384
        text_tokens = 8192          # unverified

        [errors]
        retry = ["rate_limited"]
        too_many_items = ["3210"]

        [chat]
        dialect = "openai"
        endpoint = { path = "/chat/completions" }

        [[model]]
        match = "mistral-embed"
        vectors = { native_dimension = 1024 }           # unverified
        """#,
        #"""
        # Source: lfnovo/esperanto 2026-07; qdrant.tech/documentation/embeddings/jina-embeddings.
        name = "jina"
        title = "Jina AI"

        [endpoint]
        base_url = "https://api.jina.ai/v1"
        root = "/v1"
        path = "/embeddings"
        key_variables = ["JINA_API_KEY"]

        [request]
        # The encoding is called embedding_type here, not encoding_format.
        body = '''{"model":"$model","task":"$input_type","dimensions":"$dimensions","embedding_type":"$encoding","truncate":false,"normalized":true,"input":"$texts"}'''
        encodings = ["base64", "float"]
        query_type = "retrieval.query"
        document_type = "retrieval.passage"

        [limits]
        items = 2048
        text_tokens = 8192

        [vectors]
        unit_length = "always"

        [[model]]
        match = "jina-embeddings-v3"
        vectors = { native_dimension = 1024 }           # unverified

        [[model]]
        match = "jina-embeddings-v4"
        limits = { text_tokens = 32768 }
        vectors = { native_dimension = 2048 }           # unverified
        images = { tile = 28, tokens_per_tile = 10 }    # unverified

        [model.request]
        image_body = '''{"model":"$model","task":"$input_type","dimensions":"$dimensions","embedding_type":"$encoding","normalized":true,"input":[{"image":"$image_base64"}]}'''

        [[model]]
        match = "jina-clip-v*"
        images = { tile = 512, tokens_per_tile = 4000 } # of v2, unverified
        vectors = { native_dimension = 1024 }           # of v2

        [model.request]
        query_type = ""
        document_type = ""
        body = '''{"model":"$model","dimensions":"$dimensions","embedding_type":"$encoding","normalized":true,"input":[{"text":"$text"}]}'''
        image_body = '''{"model":"$model","dimensions":"$dimensions","embedding_type":"$encoding","normalized":true,"input":[{"image":"$image_base64"}]}'''
        """#,
        #"""
        # Source: ollama 2026-08, docs/api.md, docs/api/errors.mdx, server/routes.go.
        # The native address, because /v1/embeddings has returned empty vectors for arrays.
        name = "ollama"
        title = "Ollama"

        [endpoint]
        base_url = "http://localhost:11434/api"
        root = "/api"
        path = "/embed"
        key_variables = ["OLLAMA_API_KEY"]
        key_required = false

        [request]
        # Some versions ignore truncate. Then prompt_eval_count shows that texts were cut, and a warning is logged.
        body = '''{"model":"$model","input":"$texts","truncate":false,"dimensions":"$dimensions"}'''

        [answer]
        vectors = ["embeddings[]"]
        index = []
        tokens = ["prompt_eval_count"]

        [chat]
        dialect = "ollama"
        endpoint = { path = "/chat" }
        """#,
        #"""
        # Source: text-embeddings-inference 1.9.3, docs/openapi.json, cli_arguments.md. Limits are those of its defaults.
        name = "tei"
        title = "text-embeddings-inference, native /embed: --base-url http://host:8080"

        [endpoint]
        path = "/embed"
        key_required = false
        key_variables = ["TEI_API_KEY"]

        [request]
        # A model with prompts of its own: query_type = "query", document_type = "document" or as the model names them.
        body = '''{"inputs":"$texts","truncate":false,"normalize":true,"prompt_name":"$input_type","dimensions":"$dimensions"}'''

        [answer]
        vectors = ["[]"]
        index = []

        [limits]
        items = 32
        tokens = 16384
        body_bytes = 2000000

        [vectors]
        unit_length = "always"
        """#,
        #"""
        # Source: infinity 2025-10, docs/assets/openapi.json. Its addresses begin at the root unless it runs with --url-prefix.
        name = "infinity"
        extends = "openai"
        title = "infinity: --base-url http://host:7997"

        [endpoint]
        base_url = ""
        root = ""
        key_required = false
        key_variables = ["INFINITY_API_KEY"]

        [request]
        image_body = '''{"input":["$image"],"model":"$model","dimensions":"$dimensions","encoding_format":"$encoding","modality":"image"}'''

        [limits]
        items = 2048
        tokens = 122880             # our choice, so that a single processor answers in time; its own limit is 122,880 characters per text
        body_bytes = 122880

        [batch]
        files_path = ""
        """#,
        #"""
        # Our own: the smallest body for a server of images, written down in Documentation/images.md. A server of two dozen lines speaks it.
        # Answers are OpenAI's.
        name = "images"
        extends = "openai"
        title = "Any server of image vectors that speaks mafin's documented body: --base-url http://host:8000"

        [endpoint]
        base_url = ""
        key_required = false
        key_variables = ["MAFIN_IMAGES_KEY"]

        [request]
        body = '''{"model":"$model","input":[{"text":"$text"}],"input_type":"$input_type","dimensions":"$dimensions","encoding_format":"$encoding"}'''
        image_body = '''{"model":"$model","input":[{"image":"$image"}],"input_type":"$input_type","dimensions":"$dimensions","encoding_format":"$encoding"}'''
        image_text_body = '''{"model":"$model","input":[{"text":"$text","image":"$image"}],"input_type":"$input_type","dimensions":"$dimensions","encoding_format":"$encoding"}'''
        query_type = "query"
        document_type = "document"

        [limits]
        items = 64

        [batch]
        files_path = ""
        """#,
        #"""
        # Source: llama.cpp server; llama.cpp#12836. One text must fit -ub, 512 tokens unless it is set.
        name = "llama-cpp"
        extends = "openai"
        title = "llama.cpp server: --base-url http://host:8080"

        [endpoint]
        base_url = ""
        key_required = false
        key_variables = ["LLAMA_API_KEY"]

        [limits]
        text_tokens = 512

        [batch]
        files_path = ""
        """#,
        #"""
        # Source: docs.vllm.ai, pooling models. Dimensions are refused for models that were not trained to be shortened.
        name = "vllm"
        extends = "openai"
        title = "vLLM: --base-url http://host:8000"

        [endpoint]
        base_url = ""
        key_required = false
        key_variables = ["VLLM_API_KEY"]

        [batch]
        files_path = ""
        """#,
        #"""
        # Source: docs.anthropic.com, api/overview, messages. It has no embedding API.
        name = "anthropic"
        title = "Anthropic, for writing queries (--llm)"
        embeds = false

        [endpoint]
        base_url = "https://api.anthropic.com/v1"
        root = "/v1"
        key_variables = ["ANTHROPIC_API_KEY"]
        key_header = "x-api-key"
        key_format = "$key"
        headers = { anthropic-version = "2023-06-01" }

        [price]
        batch_discount = 0.5

        [batch]                     # Source: docs.anthropic.com, message batches: 100,000 requests or 256 MB
        shape = "messages"
        batches_path = "/messages/batches"
        items = 100000
        lines = 100000
        bytes = 256000000

        [chat]
        dialect = "anthropic"
        batch_request_path = "/v1/messages"
        endpoint = { path = "/messages" }
        """#,
    ]
}
